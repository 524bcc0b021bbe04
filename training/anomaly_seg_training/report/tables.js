// Copyright 2026 The anomaly_seg_ros authors
// SPDX-License-Identifier: Apache-2.0
// Tables that sort by the buttons in their heads.

// columns: {name, value(row) -> number | text | null, show(row) -> text | node, numeric, hint}
// options: {sort: column's name, rising, mark(row) -> class of the row, first(row) -> whether it
// stays above the others, however they are sorted}
function table(caption, columns, rows, options = {}) {
  const body = el('tbody');
  const heads = columns.map((column) => {
    const button = el('button', { type: 'button', title: column.hint }, column.name,
      el('span', { class: 'arrow', 'aria-hidden': 'true' }));
    const head = el('th', { scope: 'col', class: column.numeric ? 'numeric' : null }, button);
    button.addEventListener('click', () => {
      const now = head.getAttribute('aria-sort');
      const rising = now ? now === 'descending' : !column.numeric;
      sort(column, rising);
    });
    return head;
  });
  const lines = rows.map((row) => ({
    row,
    line: el('tr', { class: options.mark ? options.mark(row) : null }, columns.map((column, i) => {
      const shown = column.show ? column.show(row) : column.value(row);
      const kind = column.numeric ? 'numeric' : null;
      return i === 0
        ? el('th', { scope: 'row', class: kind }, shown ?? '–')
        : el('td', { class: kind }, shown ?? '–');
    })),
  }));

  function sort(column, rising) {
    const sign = rising ? 1 : -1;
    const missing = (value) => value === null || value === undefined;
    const above = ({ row }) => (options.first && options.first(row) ? 0 : 1);
    lines.sort((a, b) => {
      if (above(a) !== above(b)) return above(a) - above(b);
      const x = column.value(a.row);
      const y = column.value(b.row);
      // What has no value stays at the end, whichever way round.
      if (missing(x) || missing(y)) return missing(x) - missing(y);
      if (typeof x === 'string') return sign * x.localeCompare(y, 'en', { numeric: true });
      return sign * (x - y);
    });
    heads.forEach((head, i) => {
      if (columns[i] === column) head.setAttribute('aria-sort', rising ? 'ascending' : 'descending');
      else head.removeAttribute('aria-sort');
    });
    body.append(...lines.map(({ line }) => line));
  }

  body.append(...lines.map(({ line }) => line));
  const first = columns.find((column) => column.name === options.sort);
  if (first) sort(first, Boolean(options.rising));
  return el('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': caption },
    el('table', {}, el('caption', {}, caption), el('thead', {}, el('tr', {}, heads)), body));
}

const share = (name, key, hint) => ({
  name, numeric: true, hint, value: (row) => row[key], show: (row) => percent(row[key]),
});
const words = (name, key, hint) => ({ name, hint, value: (row) => row[key] });
const whole = (name, key, hint) => ({
  name, numeric: true, hint, value: (row) => row[key], show: (row) => count(row[key]),
});

// Two columns without heads: what, and how much.
function facts(pairs) {
  return el('dl', {}, pairs.filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))));
}
