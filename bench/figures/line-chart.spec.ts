import { renderLineChart, ticksUpTo } from './line-chart.js';

const chart = (values: readonly (number | undefined)[]) =>
  renderLineChart({
    title: 'Memory & time',
    subtitle: '<two> "cores"',
    xLabel: 'minutes',
    xs: values.map((_, index) => index),
    panels: [{ title: 'Memory', unit: 'MiB', series: [{ name: 'resident', values }] }],
  });

const pathIn = (svg: string) => /<path class="line s0" d="([^"]*)"/.exec(svg)?.[1] ?? '';

describe('renderLineChart', () => {
  it('draws a line through all values, the largest on top and 0 at the bottom', () => {
    const points = [...pathIn(chart([0, 50, 100])).matchAll(/([ML])([\d.]+) ([\d.]+)/g)];
    expect(points.map(([, command]) => command)).toEqual(['M', 'L', 'L']);
    const ys = points.map(([, , , y]) => Number(y));
    expect(ys[0]).toBeGreaterThan(ys[1]!);
    expect(ys[0]! - ys[1]!).toBeCloseTo(ys[1]! - ys[2]!, 1);
  });

  it('interrupts the line where a value is missing', () => {
    expect(pathIn(chart([1, undefined, 2, 3])).match(/[ML]/g)).toEqual(['M', 'M', 'L']);
  });

  it('escapes what it is given to write', () => {
    const svg = chart([1]);
    expect(svg).toContain('Memory &amp; time');
    expect(svg).toContain('&lt;two&gt; &quot;cores&quot;');
  });

  it('names unit, x axis and series', () => {
    const svg = chart([1, 2]);
    for (const text of ['Memory (MiB)', 'minutes', 'resident']) expect(svg).toContain(`>${text}<`);
  });
});

describe('ticksUpTo', () => {
  it('counts in round steps, past the largest value', () => {
    expect(ticksUpTo(87, 4)).toEqual([0, 50, 100]);
    expect(ticksUpTo(0.3, 3)).toEqual([0, 0.1, 0.2, 0.3]);
    expect(ticksUpTo(1_000, 4)).toEqual([0, 500, 1_000]);
  });

  it('has an axis where everything is 0', () => {
    expect(ticksUpTo(0, 4)).toEqual([0, 1]);
  });
});
