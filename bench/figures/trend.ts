/** A point of a series: seconds since the start, and a value. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Slope {
  readonly slope: number;
  /** The lower end of its confidence interval of 95 %. */
  readonly least: number;
}

export interface Trend {
  /** Change over the whole time that the slope of the last two thirds makes, as a share of their median. */
  readonly change: number;
  /** The same for the lower end of the slope's confidence interval: so much at least. */
  readonly leastChange: number;
}

// What comes before is the way to the steady state: compilation, caches, limits that are not reached yet.
const WARM_UP_SHARE = 1 / 3;
// Of the standard normal distribution, for 95 % on both sides.
const Z = 1.96;

/**
 * The slope of the line through `points`, no two at one x: the median of the slopes between all pairs, which a quarter
 * of the points may lie about without effect; with the normal approximation of its confidence interval. Source: P. K.
 * Sen, Estimates of the regression coefficient based on Kendall's tau, JASA 63 (1968), 1379–1389.
 */
export function theilSen(points: readonly Point[]): Slope {
  const slopes = points
    .flatMap((a, index) => points.slice(index + 1).map((b) => (b.y - a.y) / (b.x - a.x)))
    .sort((a, b) => a - b);
  const n = points.length;
  const spread = Z * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const rank = Math.max(0, Math.floor((slopes.length - spread) / 2));
  return { slope: median(slopes), least: slopes[rank] ?? Number.NaN };
}

/** How a series develops once it has settled; `undefined` where there are too few points to tell. */
export function trendOf(points: readonly Point[]): Trend | undefined {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const durationS = last.x - first.x;
  const settled = points.filter(({ x }) => x - first.x >= durationS * WARM_UP_SHARE);
  if (settled.length < 3) return undefined;
  const { slope, least } = theilSen(settled);
  const middle = median(settled.map(({ y }) => y));
  return { change: (slope * durationS) / middle, leastChange: (least * durationS) / middle };
}

/** @returns `NaN` of nothing */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
}
