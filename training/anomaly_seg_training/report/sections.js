// Copyright 2026 The anomaly_seg_ros authors
// SPDX-License-Identifier: Apache-2.0
// The sections of the page; each returns nodes, or null where the results hold nothing for it.

const data = JSON.parse(document.getElementById('data').textContent);
const every = [...data.rows, ...data.segmentation];
const manyBundles = unique(every.map((row) => row.bundle)).length > 1;
// Files are told apart where the same was measured twice.
const manyFiles = unique(every.map((row) => `${row.bundle} ${row.set}`)).length
  < unique(every.map((row) => `${row.file} ${row.bundle} ${row.set}`)).length;

const outputOf = (row) => (row.refinement === 'none' ? row.score : `${row.score} + ${row.refinement}`);
const fileOf = (row) => data.files[row.file].name;
const modelOf = (row) => [manyFiles ? fileOf(row) : null, manyBundles ? row.bundle : null]
  .filter(Boolean).join(', ');
const labelOf = (row) => [modelOf(row), outputOf(row)].filter(Boolean).join(': ');
const sizesOf = (row) => (row.size === row.network_size ? row.size
  : `${row.size}, network ${row.network_size}`);
const sets = unique(data.rows.map((row) => row.set));
const byAp = (a, b) => (b.ap ?? -1) - (a.ap ?? -1);

const fileColumns = () => [
  ...(manyFiles ? [{ name: 'file', value: fileOf }] : []),
  ...(manyBundles ? [words('model', 'bundle')] : []),
];
const figures = () => [
  share('AUROC %', 'auroc', 'Area under the ROC curve'),
  share('AP %', 'ap', 'Average precision, the area under the PR curve'),
  share('FPR95 %', 'fpr95', 'False positive rate at 95 % true positive rate, by the protocol'),
];
const intro = (...parts) => el('p', { class: 'intro' }, ...parts);

function summary() {
  const best = sets.map((name) => [...data.rows.filter((row) => row.set === name)].sort(byAp)[0]);
  const known = new Map();
  for (const file of data.files) for (const set of file.sets) known.set(set.set, set);
  const doubts = unique(data.files.flatMap((file) => file.sets.flatMap((set) => set.doubts || [])));
  const cards = best.map((row) => el('li', { class: 'card' },
    el('h3', {}, row.set),
    el('p', { class: 'figure' }, el('strong', {}, percent(row.ap, 1)), el('span', {}, '% AP')),
    el('p', {}, `AUROC ${percent(row.auroc, 1)} % · FPR95 ${percent(row.fpr95, 1)} %`),
    el('p', { class: 'quiet' }, labelOf(row)),
    el('p', { class: 'quiet' }, `${count(row.images)} images${publishedOf(known.get(row.set))} · `
      + `${rate(row.pixels ? row.anomalous_pixels / row.pixels : null)} of pixels anomalous`)));
  return [
    facts(measured()),
    cards.length ? intro('The result with the best AP on each set, chosen on the set itself:') : null,
    el('ul', { class: 'cards' }, cards),
    doubts.length ? el('div', { class: 'warning' },
      el('p', {}, 'These figures do not compare with published ones:'),
      el('ul', {}, doubts.map((doubt) => el('li', {}, doubt)))) : null,
  ];
}

// What was measured, in a few lines; section `origin` has all of it.
function measured() {
  const short = (hash) => el('code', { title: hash }, hash.slice(0, 12));
  const listed = (items) => items.flatMap((item, i) => (i ? [', ', item] : [item]));
  const models = new Map(every.map((row) => [row.model_hash, row.bundle]));
  const versions = new Map(every.map((row) => [row.set_version, row.set]));
  return [
    ['models', listed([...models].map(([hash, name]) => [`${name} `, short(hash)]))],
    ['sets', listed([...versions].map(([hash, name]) => [`${name} `, short(hash)]))],
    ['protocols', unique(every.map((row) => row.protocol)).join(', ')],
    ['size', unique(every.map(sizesOf)).join('; ')],
    ['date', unique(data.files.map((file) => file.provenance?.date).filter(Boolean)).join(', ') || null],
    ['command', data.files.filter((file) => file.command)
      .map((file) => el('div', {}, el('code', {}, file.command)))],
    ['more', el('a', { href: '#origin' }, 'how it was measured')],
  ];
}

function publishedOf(set) {
  if (!set || set.published_images === null) return '';
  return set.published_images === set.images ? ', the whole set' : ` of ${set.published_images}`;
}

function results() {
  if (!data.rows.length) return null;
  const best = new Set(sets.map((name) => data.rows.filter((row) => row.set === name).sort(byAp)[0]));
  return [
    intro('In percent. A star marks the best AP of each set; click a head to sort.'),
    table('All results', [
      words('set', 'set'), ...fileColumns(),
      { name: 'score', value: (row) => row.score },
      words('refinement', 'refinement'),
      ...figures().map((column) => (column.name !== 'AP %' ? column : {
        ...column, show: (row) => `${best.has(row) ? '★ ' : ''}${percent(row.ap)}`,
      })),
      share('best F1 %', 'best_f1', 'Over all thresholds, of pixels'),
      whole('images', 'images'), words('protocol', 'protocol'),
      { name: 'size', value: sizesOf, hint: 'Of images and ground truth, and of the network' },
    ], data.rows, { mark: (row) => (best.has(row) ? 'best' : null) }),
  ];
}

function papers() {
  const parts = sets.map((name) => {
    const printed = data.papers[name] || [];
    if (!printed.length) return intro(`No figures of papers are stored for ${name}.`);
    const ours = data.rows.filter((row) => row.set === name).map((row) => ({
      ...row, ours: true, method: labelOf(row), source: 'this evaluation',
      setting: sizesOf(row), note: '',
    }));
    const notes = unique(printed.map((row) => row.note).filter(Boolean));
    const rows = [...ours, ...printed.map((row) => ({ ...row, source: `${row.paper}, table ${row.table}` }))];
    return [
      el('h3', {}, name),
      notes.length ? el('details', {},
        el('summary', {}, `Why figures on ${name} may not compare`),
        el('ul', {}, notes.map((note) => el('li', {}, note)))) : null,
      table(`${name}: the papers' figures and these`, [
        { name: 'method', value: (row) => row.method, show: (row) => (row.ours
          ? [el('span', { class: 'badge ours' }, 'here'), ` ${row.method}`] : row.method) },
        ...figures(),
        { name: 'source', value: (row) => row.source,
          show: (row) => el('span', { title: row.citation }, row.source) },
        { name: 'OoD data', value: (row) => (row.ood_data === null || row.ood_data === undefined
          ? null : row.ood_data ? 'yes' : 'no'),
        hint: 'Whether the method is trained with anomalies' },
        words('images', 'images'), words('setting', 'setting'),
      ], rows, {
        sort: 'AP %', first: (row) => row.ours, mark: (row) => (row.ours ? 'ours' : null),
      }),
    ];
  });
  const cited = new Map(Object.values(data.papers).flat().map((row) => [row.paper, row.citation]));
  return parts.length ? [
    intro("Figures of the papers as printed, in percent, below those of these files. Methods called "
      + "Ours are the papers'."),
    parts,
    cited.size ? el('details', {}, el('summary', {}, 'Papers'),
      facts([...cited].map(([key, citation]) => [key, citation]))) : null,
  ] : null;
}

function curves() {
  const parts = sets.flatMap((name) => {
    const rows = data.rows.filter((row) => row.set === name && row.curves);
    return rows.length ? [el('h3', {}, name), curvesOf(name, rows, labelOf)] : [];
  });
  return parts.length ? [
    intro('Pixels of all images pooled. Rings mark FPR95. The first six by AP are '
      + 'drawn, choose others below.'), parts] : null;
}

// A choice of one row, and what is shown of it.
function chooser(id, label, rows, show) {
  const place = el('div', { 'aria-live': 'off' });
  const select = el('select', { id }, sets.map((name) => {
    const members = rows.filter((row) => row.set === name).sort(byAp);
    return members.length ? el('optgroup', { label: name }, members.map((row) =>
      el('option', { value: data.rows.indexOf(row) }, `${name}: ${labelOf(row)}`))) : null;
  }));
  const change = () => place.replaceChildren(show(data.rows[Number(select.value)]));
  select.addEventListener('change', change);
  if (rows.length) change();
  return el('div', {}, el('p', { class: 'tools' }, el('label', { for: id }, `${label} `), select), place);
}

// Operating points of a stored ROC curve.
function operating(row) {
  const { x, y, thresholds } = row.curves.roc;
  const pooled = data.files[row.file].protocols[row.protocol]?.pooled;
  const anomalous = row.anomalous_pixels;
  const normal = row.pixels - anomalous;
  const point = (rule, i) => {
    if (i < 0) return { rule, threshold: null, tpr: null, fpr: null, precision: null, f1: null };
    const hits = y[i] * anomalous;
    const alarms = x[i] * normal;
    // Only where the counts are those of the pixels in the curve.
    const precision = pooled && hits + alarms > 0 ? hits / (hits + alarms) : null;
    const f1 = precision && y[i] ? 2 * precision * y[i] / (precision + y[i]) : null;
    return { rule, threshold: thresholds[i], tpr: y[i], fpr: x[i], precision, f1 };
  };
  const last = (least) => x.findLastIndex((fpr, i) => fpr <= least && thresholds[i] !== null);
  const first = (least) => y.findIndex((tpr, i) => tpr >= least && thresholds[i] !== null);
  return [
    ...[0.001, 0.005, 0.01, 0.05, 0.1].map((f) => point(`FPR at most ${Number((100 * f).toPrecision(3))} %`, last(f))),
    ...[0.5, 0.8, 0.9, 0.95, 0.99].map((t) => point(`TPR at least ${100 * t} %`, first(t))),
  ];
}

function thresholds() {
  const rows = data.rows.filter((row) => row.curves);
  if (!rows.length) return null;
  return [
    intro('What each threshold costs, read at the stored points of the curve. A pixel is flagged '
      + 'when its score is at least the threshold. Thresholds that are chosen on a test set flatter '
      + 'the method: calibrate on drives of your own.'),
    chooser('threshold-row', 'Result', rows, (row) => {
      const points = operating(row);
      return el('div', {},
        table(`Thresholds of ${labelOf(row)} on ${row.set}`, [
          words('rule', 'rule'),
          { name: 'threshold', numeric: true, value: (p) => p.threshold, show: (p) => decimal(p.threshold) },
          ...[['TPR', 'tpr'], ['FPR', 'fpr'], ['precision', 'precision'], ['F1', 'f1']]
            .map(([name, key]) => ({ name, numeric: true, value: (p) => p[key], show: (p) => rate(p[key]) })),
        ], points),
        isNumber(row.best_f1) ? intro(`The best F1 over all thresholds is ${rate(row.best_f1)}`
          + `${isNumber(row.best_f1_threshold) ? ` at ${decimal(row.best_f1_threshold)}` : ''}.`) : null);
    }),
  ];
}

function gallery(links) {
  if (!data.galleries.length) return null;
  const view = { kind: 'compare', outline: true };
  const heat = bytes(data.heat);
  const groups = data.galleries.map((group, index) => {
    const row = data.rows[group.row];
    const made = galleryOf(group, row, index, view, heat, `${row.set}: ${
      [manyFiles ? fileOf(row) : null, row.bundle, outputOf(row)].filter(Boolean).join(', ')}`);
    for (const tile of made.tiles) {
      links.set(JSON.stringify([row.set, row.set_version, tile.image]), tile.id);
    }
    return made;
  });
  const most = Math.max(...data.galleries.map((group) => group.stops.length));
  return [
    intro(`The worst and the best images by their own ${data.rank}. A slider moves the mask of all `
      + 'images of its set: arrow keys by one stop, Page Up and Page Down by more.'),
    el('details', {}, el('summary', {}, 'How fine and how exact the slider is'),
      intro(`It has up to ${most} stops, spread evenly over the true positive rate and the logarithm `
        + 'of the false positive rate. At each stop the mask is exactly score > threshold, pixel for '
        + 'pixel. Pictures larger than the page takes are shown with fewer pixels, which are picked '
        + 'and not averaged; rates below a picture are of these. Rates of the whole set come from '
        + 'the stored curve, those with ≈ from between two of its points. Heat has equal steps along '
        + 'the slider, not of the score.')),
    switches(view, () => groups.forEach((group) => group.refresh())),
    groups.map((group) => group.node),
  ];
}

function images(links) {
  const rows = data.rows.filter((row) => row.per_image && row.per_image.length);
  if (!rows.length) return null;
  return [
    intro('Each image by itself. Figures are missing where an image holds no anomaly.'),
    chooser('image-row', 'Result', rows, (row) => table(
      `Images of ${row.set}: ${labelOf(row)}`, [
        { name: 'image', value: (image) => image.image, show: (image) => {
          const id = links.get(JSON.stringify([row.set, row.set_version, image.image]));
          return id ? el('a', { href: `#${id}` }, image.image) : image.image;
        } },
        ...figures(),
        share('best F1 %', 'best_f1', 'Over all thresholds of this image'),
        { name: 'anomalous %', numeric: true, hint: 'Share of the pixels that count',
          value: (i) => (i.pixels ? i.anomalous_pixels / i.pixels : null),
          show: (i) => percent(i.pixels ? i.anomalous_pixels / i.pixels : null, 3) },
        whole('pixels', 'pixels', 'That count'),
      ], row.per_image, { sort: 'AP %', rising: true })),
  ];
}

function components() {
  const rows = data.rows.filter((row) => row.components);
  if (!rows.length) return null;
  const flat = rows.map((row) => ({ ...row, ...row.components, images: row.images }));
  return [
    intro('Whole objects, as SegmentMeIfYouCan counts them, at the threshold with the best F1 of '
      + 'pixels on the same set.'),
    table('Components', [
      words('set', 'set'), ...fileColumns(), { name: 'score', value: outputOf },
      share('sIoU %', 'siou', 'Mean over the components of the ground truth'),
      share('PPV %', 'ppv', 'Mean over predicted components'),
      share('F1* %', 'f1_star', 'Mean F1 over thresholds of sIoU from 0.25 to 0.75'),
      { name: 'threshold', numeric: true, value: (r) => r.threshold, show: (r) => decimal(r.threshold) },
      whole('true', 'target_components', 'Components of the ground truth'),
      whole('predicted', 'predicted_components'),
    ], flat, { sort: 'F1* %' }),
  ];
}

function classes() {
  if (!data.segmentation.length) return null;
  const parts = data.segmentation.map((row) => {
    const rates = row.false_positive_rate || {};
    const lines = Object.entries(row.iou).map(([name, iou]) => ({ name, iou, fpr: rates[name] ?? null }));
    return el('details', {}, el('summary', {}, `Classes of ${row.set}: ${row.bundle}`),
      table(`IoU of classes on ${row.set}`, [
        words('class', 'name'), share('IoU %', 'iou'),
        share('false positive rate %', 'fpr', 'Pixels of other classes that are taken for it'),
      ], lines));
  });
  return [
    table('Segmentation', [
      words('set', 'set'), ...fileColumns(), share('mIoU %', 'miou'), share('accuracy %', 'accuracy'),
      share('ECE %', 'ece', 'Expected calibration error of the confidence'), whole('images', 'images'),
    ], data.segmentation), parts];
}

function timings() {
  const lines = data.files.flatMap((file) => {
    if (!file.seconds || !isNumber(file.seconds.network)) return [];
    const done = (file.images?.resumed ?? 0) + (file.images?.computed ?? 0);
    return [{
      file: file.name, network: file.seconds.network, run: file.seconds.this_run, done,
      each: done ? file.seconds.network / done : null,
      engine: unique(file.models.map((model) => `${model.engine} on ${model.device}`)).join(', '),
      resumed: file.images?.resumed ?? null,
    }];
  });
  if (!lines.length) return null;
  const time = (name, key, hint) => ({
    name, numeric: true, hint, value: (line) => line[key], show: (line) => seconds(line[key]),
  });
  return [
    intro('Of the evaluation, with preprocessing, all scores and refinements asked for, and the '
      + 'way to and from the device; the speed of a detector is measured by ',
    el('code', {}, 'anomaly-seg bench'), '.'),
    table('Time', [
      words('file', 'file'), words('engine', 'engine'), time('per image', 'each', 'Network time by images'),
      time('network', 'network'), whole('images', 'done', 'By all models'),
      time('last run', 'run'), whole('resumed', 'resumed', 'Images that an earlier run had done'),
    ], lines),
  ];
}

function origin() {
  return data.files.map((file) => {
    const from = file.provenance || {};
    const versions = Object.entries(from.versions || {}).filter(([, version]) => version)
      .map(([name, version]) => `${name} ${version}`).join(', ');
    return el('section', { class: 'group' },
      el('h3', {}, file.name),
      facts([
        ['command', file.command ? el('code', {}, file.command) : null],
        ['date', from.date], ['seed', from.seed === null || from.seed === undefined
          ? 'none: nothing is drawn at random' : String(from.seed)],
        ['commit', from.git ? `${from.git.commit ?? 'unknown'}${from.git.dirty ? ', with changes' : ''}` : null],
        ['size of images', file.size], ['software', versions || null],
      ]),
      file.models.map((model) => facts([
        ['model', el('strong', {}, model.bundle)], ['model hash', el('code', {}, model.hash)],
        ['network', `${model.network_size}, ${model.engine} on ${model.device}${model.flip
          ? ', mean with the mirrored image' : ''}${(model.zooms || []).length > 1
          ? `, zooms ${model.zooms.join(', ')}` : ''}${model.fusion
          ? `, fusion ${model.fusion.name}` : ''}`],
      ])),
      file.sets.map((set) => facts([
        ['set', el('strong', {}, set.set)], ['set version', el('code', {}, set.version)],
        ['images', `${count(set.images)}${publishedOf(set)}`],
        ['notes', set.notes && set.notes.length ? set.notes.join('; ') : null],
      ])),
      Object.values(file.protocols).map((protocol) => facts([
        ['protocol', el('strong', {}, protocol.name)],
        ['pixels', protocol.pooled ? 'of all images pooled' : 'means over images'],
        ['FPR95 rule', protocol.fpr_rule], ['ignored pixels', protocol.ignored === 'normal'
          ? 'count as normal' : 'do not count'],
        ['source', protocol.source],
      ])));
  });
}
