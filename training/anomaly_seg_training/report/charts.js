// Copyright 2026 The anomaly_seg_ros authors
// SPDX-License-Identifier: Apache-2.0
// ROC and PR curves as SVG, with a readout that follows the pointer or the arrow keys.

const BOX = { width: 560, height: 420, left: 62, right: 14, top: 14, bottom: 50 };
const COLOURS = 8;
const DASHES = ['', '7 3', '2 3', '9 3 2 3'];

const strokeOf = (index) => `var(--line-${index % COLOURS})`;
const dashOf = (index) => DASHES[Math.floor(index / COLOURS) % DASHES.length];

// series: {name, index, x, y, thresholds, visible}; options: {title, x, y, log, marks, base}
function chart(options, series) {
  const state = { log: false, active: 0, point: null };
  const inner = { w: BOX.width - BOX.left - BOX.right, h: BOX.height - BOX.top - BOX.bottom };
  const least = 1e-4;
  const place = (value) => {
    if (!state.log) return BOX.left + value * inner.w;
    const decades = -Math.log10(least);
    return BOX.left + (1 + Math.log10(Math.max(value, least)) / decades) * inner.w;
  };
  const height = (value) => BOX.top + (1 - value) * inner.h;

  const picture = svg('svg', {
    viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: 'img', tabindex: '0', class: 'chart',
    'aria-label': `${options.title}. Left and right arrows walk along a curve, up and down change `
      + 'the curve.',
  });
  const readout = el('p', { class: 'readout', 'aria-live': 'polite' });
  const shown = () => series.filter((one) => one.visible);

  function axes() {
    const parts = [];
    const ticks = [0, 0.2, 0.4, 0.6, 0.8, 1];
    for (const tick of ticks) {
      parts.push(svg('line', {
        class: 'grid', x1: BOX.left, x2: BOX.left + inner.w, y1: height(tick), y2: height(tick),
      }));
      parts.push(svg('text', {
        x: BOX.left - 8, y: height(tick) + 4, 'text-anchor': 'end',
      }, String(Math.round(100 * tick))));
    }
    for (const tick of state.log ? [1e-4, 1e-3, 1e-2, 1e-1, 1] : ticks) {
      parts.push(svg('line', {
        class: 'grid', x1: place(tick), x2: place(tick), y1: BOX.top, y2: BOX.top + inner.h,
      }));
      parts.push(svg('text', {
        x: place(tick), y: BOX.top + inner.h + 18, 'text-anchor': 'middle',
      }, String(Number((100 * tick).toPrecision(3)))));
    }
    const middle = BOX.left + inner.w / 2;
    parts.push(svg('text', {
      x: middle, y: BOX.height - 10, 'text-anchor': 'middle', class: 'axis',
    }, `${options.x} [%]`));
    parts.push(svg('text', {
      class: 'axis', 'text-anchor': 'middle',
      transform: `translate(16 ${BOX.top + inner.h / 2}) rotate(-90)`,
    }, `${options.y} [%]`));
    return parts;
  }

  function line(one) {
    const points = one.x.map((x, i) => `${place(x).toFixed(1)},${height(one.y[i]).toFixed(1)}`);
    return svg('polyline', {
      class: 'curve', points: points.join(' '),
      stroke: strokeOf(one.index), 'stroke-dasharray': dashOf(one.index),
    });
  }

  function draw() {
    const parts = axes();
    if (options.recall) {
      parts.push(svg('line', {
        class: 'target', x1: BOX.left, x2: BOX.left + inner.w,
        y1: height(options.recall), y2: height(options.recall),
      }));
      parts.push(svg('text', { class: 'target', x: BOX.left + 6, y: height(options.recall) - 5 },
        `TPR ${100 * options.recall} %`));
    }
    if (isNumber(options.base)) {
      parts.push(svg('line', {
        class: 'target', x1: BOX.left, x2: BOX.left + inner.w,
        y1: height(options.base), y2: height(options.base),
      }, svg('title', {}, 'Precision of chance: the share of anomalous pixels')));
    }
    for (const one of shown()) {
      parts.push(line(one));
      if (options.recall) {
        const [x, y] = one.ring;
        parts.push(svg('circle', {
          class: 'fpr95', cx: place(x), cy: height(y), r: 4.5, stroke: strokeOf(one.index),
        }, svg('title', {}, `${one.name}: FPR ${rate(x)} at TPR ${rate(y)}`)));
      }
    }
    if (isNumber(options.base)) {
      // Above the curves, where they have come down to it.
      parts.push(svg('text', {
        class: 'target', x: BOX.left + inner.w - 4, 'text-anchor': 'end',
        y: height(options.base) + (options.base < 0.9 ? -9 : 16),
      }, `chance ${rate(options.base)}`));
    }
    const current = state.point === null ? null : shown()[state.active];
    if (current) {
      const i = state.point;
      parts.push(svg('circle', {
        class: 'cursor', cx: place(current.x[i]), cy: height(current.y[i]), r: 5,
        fill: strokeOf(current.index),
      }));
      const t = current.thresholds[i];
      readout.textContent = `${current.name}: ${options.x} ${rate(current.x[i])}, ${options.y} `
        + `${rate(current.y[i])}, ${t === null ? 'nothing flagged' : `score ≥ ${decimal(t)}`}`;
    } else {
      readout.textContent = shown().length
        ? 'Point at a curve, or walk along it with the arrow keys.' : 'No curve is chosen.';
    }
    picture.replaceChildren(...parts);
  }

  picture.addEventListener('pointermove', (event) => {
    const box = picture.getBoundingClientRect();
    const x = (event.clientX - box.left) * BOX.width / box.width;
    const y = (event.clientY - box.top) * BOX.height / box.height;
    let best = Infinity;
    shown().forEach((one, k) => one.x.forEach((value, i) => {
      const distance = (place(value) - x) ** 2 + (height(one.y[i]) - y) ** 2;
      if (distance < best) [best, state.active, state.point] = [distance, k, i];
    }));
    draw();
  });
  picture.addEventListener('pointerleave', () => { state.point = null; draw(); });
  picture.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: 10, PageDown: -10 }[event.key];
    const turn = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const curves = shown();
    if (!curves.length || (step === undefined && turn === undefined
        && !['Home', 'End', 'Escape'].includes(event.key))) return;
    event.preventDefault();
    if (turn) state.active = (state.active + turn + curves.length) % curves.length;
    state.active = Math.min(state.active, curves.length - 1);
    const last = curves[state.active].x.length - 1;
    if (event.key === 'Escape') state.point = null;
    else if (event.key === 'Home') state.point = 0;
    else if (event.key === 'End') state.point = last;
    else state.point = Math.min(Math.max((state.point ?? 0) + (step || 0), 0), last);
    draw();
  });

  const tools = el('p', { class: 'tools' });
  if (options.log) {
    const box = el('input', { type: 'checkbox' });
    box.addEventListener('change', () => { state.log = box.checked; draw(); });
    tools.append(el('label', {}, box, ' logarithmic FPR, from 0.01 %'));
  }
  draw();
  const figure = el('figure', { class: 'plot' },
    el('figcaption', {}, options.title), picture, readout, tools);
  return { figure, draw: () => { state.point = null; state.active = 0; draw(); } };
}

// Where FPR95 is read: the stored figure, or of means over images the first point with the recall.
function ringOf(row) {
  const pooled = data.files[row.file].protocols[row.protocol]?.pooled;
  if (pooled && isNumber(row.fpr95)) return [row.fpr95, 0.95];
  const { x, y } = row.curves.roc;
  const i = y.findIndex((tpr) => tpr >= 0.95);
  return i < 0 ? [1, 1] : [x[i], y[i]];
}

// Both charts of a set, with one legend that chooses the curves of both.
function curvesOf(name, rows, label) {
  const order = [...rows].sort((a, b) => (b.ap ?? -1) - (a.ap ?? -1));
  const members = order.map((row, index) => ({ row, index, name: label(row), visible: index < 6 }));
  const series = (kind) => members.map((one) => {
    const { x, y, thresholds } = one.row.curves[kind];
    return {
      name: one.name, index: one.index, x, y, thresholds, ring: ringOf(one.row),
      get visible() { return one.visible; },
    };
  });
  const bases = unique(rows.map((row) => (row.pixels ? row.anomalous_pixels / row.pixels : null)));
  const pr = chart({
    title: `Precision and recall on ${name}`, x: 'recall', y: 'precision',
    base: bases.length === 1 ? bases[0] : null,
  }, series('pr'));
  const roc = chart({
    title: `ROC on ${name}`, x: 'FPR', y: 'TPR', log: true, recall: 0.95,
  }, series('roc'));
  const legend = el('fieldset', { class: 'legend' }, el('legend', {}, 'Curves'),
    members.map((one) => {
      const box = el('input', { type: 'checkbox' });
      box.checked = one.visible;
      box.addEventListener('change', () => { one.visible = box.checked; pr.draw(); roc.draw(); });
      const swatch = svg('svg', { viewBox: '0 0 30 10', class: 'swatch', 'aria-hidden': 'true' },
        svg('line', {
          x1: 0, x2: 30, y1: 5, y2: 5, class: 'curve', stroke: strokeOf(one.index),
          'stroke-dasharray': dashOf(one.index),
        }));
      return el('label', {}, box, swatch, ` ${one.name} `,
        el('span', { class: 'quiet' }, `AP ${percent(one.row.ap)}`));
    }));
  return el('div', {}, el('div', { class: 'plots' }, pr.figure, roc.figure), legend);
}
