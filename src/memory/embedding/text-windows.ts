// What today's vocabularies make of English is four bytes a token or more, of other scripts and of code three or fewer.
// Erring high only makes more windows; a window that is too long after all is refused and cut in two.
const BYTES_PER_TOKEN = 3;
// A window ends at a blank if there is one in this last part of it, and not in the middle of a word.
const SEARCHED_FOR_BLANK = 1 / 4;

/** How many tokens a text takes, by a rough estimate. */
export const tokensAbout = (text: string): number => Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);

/**
 * Splits `text` into consecutive parts of about `tokens` tokens. If there are more than `most`, those in the middle are
 * left out: a message names its subject at its beginning, and often asks its question at its end.
 */
export function textWindows(text: string, tokens: number, most: number): string[] {
  const windows: string[] = [];
  for (let start = 0; start < text.length;) {
    const end = windowEnd(text, start, tokens * BYTES_PER_TOKEN);
    windows.push(text.slice(start, end));
    start = end;
  }
  if (windows.length <= most) return windows;
  const last = Math.floor(most / 2);
  return [...windows.slice(0, most - last), ...windows.slice(windows.length - last)];
}

/** In two parts, at a blank if there is one near the middle. */
export function halves(text: string): [string, string] {
  const middle = atBlank(text, 0, Math.ceil(text.length / 2));
  return [text.slice(0, middle), text.slice(middle)];
}

function windowEnd(text: string, start: number, maxBytes: number): number {
  let bytes = 0;
  for (let at = start; at < text.length; at++) {
    bytes += bytesOf(text.charCodeAt(at));
    if (bytes > maxBytes) return atBlank(text, start, Math.max(at, start + 1));
  }
  return text.length;
}

/** In UTF-8; a surrogate is half of a character of four. */
function bytesOf(unit: number): number {
  if (unit < 0x80) return 1;
  if (unit < 0x800) return 2;
  return isSurrogate(unit) ? 2 : 3;
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;
const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

/** The place behind the last blank before `end`, or `end` itself where no character is cut in two there. */
function atBlank(text: string, start: number, end: number): number {
  const earliest = end - Math.floor((end - start) * SEARCHED_FOR_BLANK);
  for (let at = end; at > earliest; at--) if (/\s/.test(text.charAt(at - 1))) return at;
  return isLowSurrogate(text.charCodeAt(end)) ? end + 1 : end;
}
