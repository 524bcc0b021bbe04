// Copyright 2026 The anomaly_seg_ros authors
// SPDX-License-Identifier: Apache-2.0
// Elements and numbers as text. Data only ever becomes text nodes and attributes, never markup.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

const el = (tag, attributes, ...children) =>
  fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

function percent(value, digits = 2) {
  return isNumber(value) ? `${(100 * value).toFixed(digits)}` : '–';
}

// A rate may be tiny: two digits that count, at most five behind the point.
function rate(value) {
  if (!isNumber(value)) return '–';
  const points = 100 * value;
  if (points === 0 || points >= 1) return `${points.toFixed(1)} %`;
  return `${points.toFixed(Math.min(5, 1 - Math.floor(Math.log10(points))))} %`;
}

function count(value) {
  return isNumber(value) ? value.toLocaleString('en') : '–';
}

function decimal(value, digits = 5) {
  if (!isNumber(value)) return '–';
  return Math.abs(value) > 1e6 ? value.toExponential(3) : String(Number(value.toPrecision(digits)));
}

function seconds(value) {
  if (!isNumber(value)) return '–';
  if (value < 1) return `${(1000 * value).toPrecision(3)} ms`;
  return value < 120 ? `${value.toFixed(1)} s` : `${(value / 60).toFixed(1)} min`;
}

const unique = (values) => [...new Set(values)];
