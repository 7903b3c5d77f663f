/** A write that takes longer than this is no longer recognised as started before its user was forgotten. */
export const FORGET_MARK_LASTS_MS = 24 * 3_600_000;

/**
 * For scripts that write what may have been begun before its user was forgotten. Each forgetting makes another mark;
 * what carries the mark that was there when it began is late if there is another by now. No clock is asked.
 */
export const IS_LATE = `
  local function is_late(key, carried)
    local mark = redis.call('GET', key)
    return carried ~= '' and mark and '=' .. mark ~= carried
  end
`;

/** `mark` as {@link IS_LATE} takes it; `undefined` if the mark is unknown, and then nothing is late. */
export function carriedMark(mark: string | undefined): string {
  return mark === undefined ? '' : `=${mark}`;
}
