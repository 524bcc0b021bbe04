// Copyright 2026 The anomaly_seg_ros authors
// SPDX-License-Identifier: Apache-2.0
// The page: sections in order, and links to them.

const links = new Map();
// The gallery comes first: the table of images links to its pictures.
const pictures = gallery(links);
const sections = [
  ['summary', 'Summary', summary()],
  ['results', 'Results', results()],
  ['papers', 'Beside the papers', papers()],
  ['curves', 'Curves', curves()],
  ['thresholds', 'Thresholds', thresholds()],
  ['gallery', 'Gallery', pictures],
  ['images', 'Images', images(links)],
  ['components', 'Components', components()],
  ['classes', 'Classes', classes()],
  ['timings', 'Timings', timings()],
  ['origin', 'How it was measured', origin()],
].filter(([, , content]) => content !== null);

const main = document.getElementById('main');
main.replaceChildren(...sections.map(([id, title, content]) =>
  el('section', { id, tabindex: '-1', 'aria-labelledby': `${id}-title` },
    el('h2', { id: `${id}-title` }, title), content)));
document.getElementById('contents').append(...sections.map(([id, title]) =>
  el('li', {}, el('a', { href: `#${id}` }, title))));
document.getElementById('made').textContent =
  `Made by ${data.made.command} on ${data.made.date}, anomaly_seg_ros ${data.made.version}. `
  + 'This file is complete: it fetches nothing.';
document.documentElement.dataset.ready = 'true';
