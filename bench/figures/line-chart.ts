export interface Series {
  readonly name: string;
  /** One for each x; a missing value interrupts the line. */
  readonly values: readonly (number | undefined)[];
}

export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly Series[];
}

export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly xLabel: string;
  readonly xs: readonly number[];
  /** One below the other, over the same x axis. */
  readonly panels: readonly Panel[];
}

const WIDTH = 860;
const PLOT = { left: 70, right: 20, height: 130 };
const HEADER_HEIGHT = 60;
const PANEL_HEIGHT = 190;
const FOOTER_HEIGHT = 30;
const LEGEND_CHARACTER_WIDTH = 7;
const LEGEND_MARK_WIDTH = 34;
const TICKS = { x: 8, y: 4 };

// The colours of Okabe and Ito, which colour-blind people can tell apart; darker ones on a light background.
const STYLE = `
  svg { font: 12px system-ui, sans-serif; background: #fff; }
  text { fill: #24292f; } .quiet { fill: #57606a; } .title { font-size: 16px; font-weight: 600; } .panel { font-weight: 600; }
  .grid { stroke: #d0d7de; } .line { fill: none; stroke-width: 1.5; stroke-linejoin: round; }
  .s0 { stroke: #0072b2; } .s1 { stroke: #d55e00; } .s2 { stroke: #007a5a; } .s3 { stroke: #aa4499; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; }
    text { fill: #e6edf3; } .quiet { fill: #9198a1; } .grid { stroke: #30363d; }
    .s0 { stroke: #56b4e9; } .s1 { stroke: #e69f00; } .s2 { stroke: #2fbf93; } .s3 { stroke: #d78fc8; }
  }`;

/** Lines over time as an SVG document, for light and dark grounds. Every y axis begins at 0. */
export function renderLineChart(chart: Chart): string {
  const height = HEADER_HEIGHT + chart.panels.length * PANEL_HEIGHT + FOOTER_HEIGHT;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" ` +
      `aria-label="${escape(chart.title)}">`,
    `<style>${STYLE}\n</style>`,
    `<text class="title" x="${PLOT.left}" y="24">${escape(chart.title)}</text>`,
    `<text class="quiet" x="${PLOT.left}" y="44">${escape(chart.subtitle)}</text>`,
    ...chart.panels.flatMap((panel, index) => renderPanel(panel, chart.xs, HEADER_HEIGHT + index * PANEL_HEIGHT)),
    `<text class="quiet" x="${WIDTH - PLOT.right}" y="${height - 10}" text-anchor="end">${escape(chart.xLabel)}</text>`,
    '</svg>',
  ];
  return `${parts.join('\n')}\n`;
}

/** Round numbers from 0 up to the first that is not below `max`, about `count` of them. */
export function ticksUpTo(max: number, count: number): number[] {
  if (!(max > 0) || !Number.isFinite(max)) return [0, 1];
  const rough = max / count;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * magnitude >= rough) ?? 10) * magnitude;
  return Array.from({ length: Math.ceil(max / step - 1e-9) + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

function renderPanel({ title, unit, series }: Panel, xs: readonly number[], top: number): string[] {
  const base = top + PANEL_HEIGHT - 30;
  const yTicks = ticksUpTo(Math.max(...series.flatMap(({ values }) => values.map((value) => value ?? 0))), TICKS.y);
  const xTicks = ticksUpTo(xs.at(-1) ?? 0, TICKS.x);
  const xOf = scale(xs.at(-1) ?? 0, PLOT.left, WIDTH - PLOT.right);
  const yOf = scale(yTicks.at(-1) ?? 1, base, base - PLOT.height);
  return [
    `<text class="panel" x="${PLOT.left}" y="${top + 18}">${escape(title)} (${escape(unit)})</text>`,
    ...renderLegend(series, top + 18),
    ...yTicks.flatMap((tick) => [
      `<line class="grid" x1="${PLOT.left}" x2="${WIDTH - PLOT.right}" y1="${at(yOf(tick))}" y2="${at(yOf(tick))}"/>`,
      `<text class="quiet" x="${PLOT.left - 8}" y="${at(yOf(tick) + 4)}" text-anchor="end">${tick.toLocaleString('en')}</text>`,
    ]),
    ...xTicks
      .filter((tick) => tick <= (xs.at(-1) ?? 0))
      .map((tick) => `<text class="quiet" x="${at(xOf(tick))}" y="${base + 16}" text-anchor="middle">${tick}</text>`),
    ...series.map(({ values }, index) => `<path class="line s${index}" d="${pathOf(xs, values, xOf, yOf)}"/>`),
  ];
}

function renderLegend(series: readonly Series[], y: number): string[] {
  let right = WIDTH - PLOT.right;
  return series
    .map(({ name }, index) => ({ name, index }))
    .reverse()
    .flatMap(({ name, index }) => {
      const left = right - name.length * LEGEND_CHARACTER_WIDTH;
      right = left - LEGEND_MARK_WIDTH;
      return [
        `<line class="line s${index}" x1="${left - 22}" x2="${left - 5}" y1="${y - 4}" y2="${y - 4}"/>`,
        `<text class="quiet" x="${left}" y="${y}">${escape(name)}</text>`,
      ];
    });
}

function pathOf(
  xs: readonly number[],
  values: readonly (number | undefined)[],
  xOf: (x: number) => number,
  yOf: (y: number) => number,
): string {
  let isDown = false;
  return xs
    .flatMap((x, index) => {
      const y = values[index];
      const command = isDown ? 'L' : 'M';
      isDown = y !== undefined && Number.isFinite(y);
      return isDown && y !== undefined ? [`${command}${at(xOf(x))} ${at(yOf(y))}`] : [];
    })
    .join('');
}

function scale(max: number, from: number, to: number): (value: number) => number {
  return (value) => from + ((to - from) * value) / (max || 1);
}

const at = (pixels: number): string => pixels.toFixed(1);

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text: string): string => text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
