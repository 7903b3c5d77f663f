// Commands under way at once. All in one go, the last of a large batch would wait for longer than a command may take;
// adding a vector to 100,000 others takes the server some three milliseconds.
const WAVE = 64;

/** Does `work` for each item, in their order, many at a time. */
export async function inWaves<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const wave of chunksOf(items, WAVE)) results.push(...(await Promise.all(wave.map(work))));
  return results;
}

/** Does `work` for each item, in their order, each when the one before is done. */
export async function oneByOne<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

export function* chunksOf<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
