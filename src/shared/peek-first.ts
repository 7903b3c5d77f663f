/** An iteration under way: ending it early ends its source, whether or not anything was read from it. */
export interface PeekedIterator<T> extends AsyncIterableIterator<T, void> {
  return(): Promise<IteratorResult<T, void>>;
}

/**
 * `source` once its first item is there, so that a failure before it is met here and not in the middle of what is made
 * of the items. @throws what `source` throws before its first item
 */
export async function peekFirst<T>(source: AsyncGenerator<T, void>): Promise<PeekedIterator<T>> {
  let first: IteratorResult<T, void> | undefined = await source.next();
  const iteration: PeekedIterator<T> = {
    next: async () => {
      const result = first ?? (await source.next());
      first = undefined;
      return result;
    },
    // A generator that wraps the two would, unless it was read from, not even begin, and so not end its source.
    return: () => source.return(),
    [Symbol.asyncIterator]: () => iteration,
  };
  return iteration;
}
