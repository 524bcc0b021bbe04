// Copyright 2026 The anomaly_seg_ros authors
// SPDX-License-Identifier: Apache-2.0
// Pictures with a mask that follows the threshold.

// Blue, orange and yellow stay apart for every kind of colour blindness; what is missed is hatched
// besides. Red, green, blue, opacity, from 0 to 255.
const PAINT = {
  found: [0, 120, 255, 165],
  false: [255, 140, 0, 175],
  missed: [255, 235, 60, 215],
  ignored: [140, 140, 140, 140],
  plain: [0, 255, 255, 140],
};
const HATCH = 8;
const HEAT_OPACITY = 215;

// As the little-endian words that canvas pixels are.
const word = ([r, g, b, a]) => ((a << 24) | (b << 16) | (g << 8) | r) >>> 0;

class Tile {
  constructor(tile, stops, view, heat, id, label) {
    Object.assign(this, { tile, stops, view, heat });
    const { width, height } = tile;
    this.canvas = el('canvas', { width, height, 'aria-hidden': 'true' });
    const photo = el('img', {
      src: `data:image/jpeg;base64,${tile.photo}`, width, height, decoding: 'async',
      alt: `${tile.image}: the photograph, with the mask drawn over it`,
    });
    this.live = el('p', { class: 'live' }, ' ');
    const enlarge = el('button', { type: 'button', 'aria-pressed': 'false' }, 'Enlarge');
    const others = el('a', { href: '#images', class: 'quiet' }, 'table of all images');
    const [kind, place] = [tile.kind, tile.place];
    this.node = el('figure', { class: `tile ${kind}`, id, tabindex: '-1' },
      el('figcaption', {},
        el('h4', {}, el('span', { class: `badge ${kind}` }, `${kind} ${place}`), ` ${tile.image}`),
        el('p', { class: 'quiet' }, `AP ${percent(tile.ap)} · AUROC ${percent(tile.auroc)} · FPR95 `
          + `${percent(tile.fpr95)} · ${label}`)),
      el('div', { class: 'picture' }, photo, this.canvas),
      this.live,
      el('p', { class: 'tools' }, enlarge, ' ', others));
    enlarge.addEventListener('click', () => {
      const large = this.node.classList.toggle('large');
      enlarge.setAttribute('aria-pressed', String(large));
      enlarge.textContent = large ? 'Shrink' : 'Enlarge';
    });
    this.stop = null;
    this.near = false;
  }

  // Unpack the maps when the picture comes near the window, once.
  async load() {
    const { codes, truth, width, height } = this.tile;
    [this.codes, this.truth] = await Promise.all(
      [codes, truth].map((text) => plane(text, width, height)));
    this.count();
    this.outline = this.edge();
    this.pixels = this.canvas.getContext('2d').createImageData(width, height);
    this.words = new Uint32Array(this.pixels.data.buffer);
    this.show(this.stop);
    this.canvas.dataset.ready = 'true';
  }

  // above[kind][k]: pixels of a kind whose score is above stop k.
  count() {
    const histograms = [0, 1].map(() => new Float64Array(this.stops.length + 1));
    for (let i = 0; i < this.codes.length; i += 1) {
      if (this.truth[i] < 2) histograms[this.truth[i]][this.codes[i]] += 1;
    }
    this.totals = histograms.map((bins) => bins.reduce((a, b) => a + b, 0));
    this.above = histograms.map((bins) => {
      const sums = new Float64Array(this.stops.length);
      let sum = 0;
      for (let k = this.stops.length; k > 0; k -= 1) { sum += bins[k]; sums[k - 1] = sum; }
      return sums;
    });
  }

  // 1: the inner edge of an anomaly, 2: the pixels around it.
  edge() {
    const { width, height } = this.tile;
    const reach = Math.max(1, Math.round(width / 512));
    const found = new Uint8Array(width * height);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const i = y * width + x;
        const inside = this.truth[i] === 1;
        if (x + 1 < width && (this.truth[i + 1] === 1) !== inside) this.stamp(found, x, y, reach);
        if (y + 1 < height && (this.truth[i + width] === 1) !== inside) this.stamp(found, x, y, reach);
      }
    }
    return found;
  }

  stamp(found, x, y, reach) {
    const { width, height } = this.tile;
    for (let v = Math.max(0, y - reach); v <= Math.min(height - 1, y + reach); v += 1) {
      for (let u = Math.max(0, x - reach); u <= Math.min(width - 1, x + reach); u += 1) {
        found[v * width + u] = this.truth[v * width + u] === 1 ? 1 : 2;
      }
    }
  }

  show(stop) {
    this.stop = stop;
    if (!this.words) return;
    this.paint();
    const [normal, anomalous] = this.totals;
    const [alarms, hits] = this.above.map((sums) => sums[stop]);
    const share = (part, all) => (all ? part / all : null);
    const figures = {
      tpr: share(hits, anomalous), fpr: share(alarms, normal), precision: share(hits, hits + alarms),
    };
    this.live.textContent = `TPR ${rate(figures.tpr)} · FPR ${rate(figures.fpr)} · precision `
      + `${rate(figures.precision)}`;
    Object.assign(this.canvas.dataset, {
      stop, hits, alarms, missed: anomalous - hits, anomalous, normal,
    });
  }

  paint() {
    const { codes, truth, words: out, outline, stop, view } = this;
    const { width } = this.tile;
    const [found, wrong, missed, ignored, plain] = ['found', 'false', 'missed', 'ignored', 'plain']
      .map((name) => word(PAINT[name]));
    const white = word([255, 255, 255, 255]);
    const black = word([0, 0, 0, 255]);
    const border = word([0, 255, 255, 255]);
    for (let i = 0; i < out.length; i += 1) {
      const flagged = codes[i] > stop;
      const kind = truth[i];
      let colour = 0;
      if (view.kind === 'compare') {
        if (flagged) colour = kind === 1 ? found : kind === 0 ? wrong : ignored;
        else if (kind === 1 && ((i % width) + Math.floor(i / width)) % HATCH < HATCH / 2) {
          colour = missed;
        }
      } else if (view.kind === 'mask') {
        if (flagged) colour = plain;
      } else if (view.kind === 'heat') {
        const edge = flagged !== (codes[i + 1] > stop) || flagged !== (codes[i + width] > stop);
        colour = edge ? border : this.heat[codes[i]];
      }
      if (view.outline && outline[i]) colour = outline[i] === 1 ? white : black;
      out[i] = colour;
    }
    this.canvas.getContext('2d').putImageData(this.pixels, 0, 0);
  }
}

// One slider for the images of one set: a detector has one threshold.
function galleryOf(group, row, index, view, heat, name) {
  const { stops, marks } = group;
  const best = marks.find((mark) => mark.name.startsWith('best F1'));
  const start = best ? best.stop : Math.floor(stops.length / 2);
  const spread = heatOf(stops.length, heat);
  const tiles = group.tiles.map((tile, i) => new Tile(
    tile, stops, view, spread, `tile-${index}-${i}`,
    tile.full === `${tile.width}x${tile.height}` ? tile.full
      : `${tile.width}x${tile.height} of ${tile.full} pixels`,
  ));
  const slider = el('input', {
    type: 'range', id: `threshold-${index}`, min: 0, max: stops.length - 1, step: 1,
    value: start, list: `marks-${index}`,
  });
  // The slider itself says its value to screen readers.
  const output = el('output', { for: slider.id, 'aria-live': 'off' });

  function text(stop) {
    const { threshold, tpr, fpr, exact } = stops[stop];
    const here = `score > ${decimal(threshold)}`;
    if (tpr === null || fpr === null) return here;
    const about = exact ? '' : '≈ ';
    return `${here} · whole set: TPR ${about}${rate(tpr)}, FPR ${about}${rate(fpr)}`;
  }

  let waiting = false;
  function move() {
    const stop = Number(slider.value);
    output.textContent = text(stop);
    slider.setAttribute('aria-valuetext', text(stop));
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      for (const tile of tiles) {
        if (tile.near) tile.show(Number(slider.value));
        else tile.stop = Number(slider.value);
      }
    });
  }
  slider.addEventListener('input', move);

  function load(tile) {
    tile.stop = Number(slider.value);
    tile.loading ??= tile.load().catch((error) => {
      tile.live.textContent = `The mask cannot be shown: ${error.message}. `
        + 'A browser from 2023 or later is needed.';
    });
  }

  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const tile = tiles.find((one) => one.node === entry.target);
      tile.near = entry.isIntersecting;
      if (!tile.near) continue;
      if (tile.words) tile.show(Number(slider.value));
      else load(tile);
    }
  }, { rootMargin: '400px' });
  tiles.forEach((tile) => watcher.observe(tile.node));
  // Paper shows all of them, so that none may be left for later.
  window.addEventListener('beforeprint', () => {
    for (const tile of tiles) if (tile.words) tile.show(Number(slider.value));
  });
  const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, 1000));
  for (const tile of tiles) idle(() => load(tile));

  const jumps = marks.map((mark) => {
    const button = el('button', { type: 'button' }, mark.name);
    button.addEventListener('click', () => { slider.value = String(mark.stop); move(); });
    return button;
  });
  move();
  return {
    refresh: move,
    tiles: tiles.map((tile) => ({ image: tile.tile.image, id: tile.node.id })),
    node: el('section', { class: 'group' },
      el('h3', {}, name),
      el('p', { class: 'jumps' }, jumps.length ? 'Go to: ' : null, jumps),
      el('div', { class: 'slider' },
        el('label', { for: slider.id }, 'Threshold'),
        slider,
        output,
        el('datalist', { id: `marks-${index}` },
          marks.map((mark) => el('option', { value: mark.stop, label: mark.name }))),
      ),
      group.notes.map((note) => el('p', { class: 'warning' }, note)),
      ['worst', 'best'].map((kind) => el('div', { class: 'tiles' },
        tiles.filter((tile) => tile.tile.kind === kind).map((tile) => tile.node)))),
  };
}

// The colour of each code: codes are even steps along the ROC curve.
function heatOf(steps, table) {
  return Uint32Array.from({ length: steps + 1 }, (_, code) => {
    const i = 3 * Math.round(255 * code / steps);
    // Low scores leave the photograph as it is.
    const ramp = Math.min(Math.max((code / steps - 0.3) / 0.5, 0), 1);
    return word([table[i], table[i + 1], table[i + 2], Math.round(ramp * HEAT_OPACITY)]);
  });
}

function switches(view, refresh) {
  const kinds = [
    ['compare', 'Mask against ground truth'],
    ['mask', 'Mask alone'],
    ['heat', 'Score as heat'],
    ['photo', 'Photograph'],
  ];
  const keys = [
    ['found', 'anomaly, found (TP)'],
    ['false', 'normal, flagged (FP)'],
    ['missed', 'anomaly, missed (FN)'],
    ['ignored', 'flagged where nothing counts'],
    ['plain', 'mask alone, or its edge on heat'],
  ];
  const outline = el('input', { type: 'checkbox', id: 'show-outline' });
  outline.checked = view.outline;
  outline.addEventListener('change', () => { view.outline = outline.checked; refresh(); });
  return el('div', { class: 'view' },
    el('fieldset', {}, el('legend', {}, 'Show'), kinds.map(([key, label]) => {
      const button = el('input', { type: 'radio', name: 'view', id: `show-${key}` });
      button.checked = view.kind === key;
      button.addEventListener('change', () => { view.kind = key; refresh(); });
      return el('label', {}, button, ` ${label}`);
    }), el('label', {}, outline, ' Outline of the ground truth')),
    el('ul', { class: 'key' }, keys.map(([key, label]) =>
      el('li', {}, el('span', { class: `paint ${key}`, 'aria-hidden': 'true' }), ` ${label}`)),
    el('li', {}, el('span', { class: 'paint outline', 'aria-hidden': 'true' }),
      ' ground truth')));
}
