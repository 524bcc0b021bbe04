// Copyright 2026 The anomaly_seg_ros authors
// SPDX-License-Identifier: Apache-2.0
// Maps of bytes out of the page's text; the other half of planes.py.

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

// Return the map as Uint8Array, row by row.
async function plane(text, width, height) {
  const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream('deflate'));
  const values = new Uint8Array(await new Response(stream).arrayBuffer());
  if (values.length !== width * height) throw new Error('a map has another size than its picture');
  // Sums along both axes undo the prediction; bytes wrap around as they did there.
  for (let i = width; i < values.length; i += 1) values[i] += values[i - width];
  for (let row = 0; row < values.length; row += width) {
    for (let i = row + 1; i < row + width; i += 1) values[i] += values[i - 1];
  }
  return values;
}
