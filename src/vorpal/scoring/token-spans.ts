import { byteLengthsOf } from './token-bytes.js';

/** A token as a reader sees it: the part of the text that it represents. */
export interface TokenSpan {
  /** Whole characters; a character that several tokens share belongs to the first of them, and the others are empty. */
  readonly token: string;
  /** The start and end of `token` in the text, in UTF-16 code units (as JavaScript and Java count). */
  readonly start: number;
  readonly end: number;
}

const REPLACEMENT = '\uFFFD';

// Anchors tried behind a stretch of tokens that say nothing of their text, before the rest is divided evenly.
const MOST_ANCHORS = 32;
// How far a token that says nothing may reach; the longest tokens of common vocabularies are runs of white space.
const MOST_UNITS_PER_TOKEN = 16;

/**
 * Which part of `text` each of its tokens stands for. The parts joined are the text, whatever the server names its
 * tokens.
 * @param names the tokens as `/v1/completions` names them; of a character in several tokens servers name the last, or
 * none
 * @param pieces the tokens as the tokenizer's vocabulary spells them, where known; exact where they spell the text,
 * else the names are laid along the text, and what they leave open is divided evenly
 */
export function tokenSpans(
  text: string,
  names: readonly string[],
  pieces: readonly string[] | null = null,
): TokenSpan[] {
  const byteLengths = pieces?.length === names.length ? byteLengthsOf(pieces, text) : undefined;
  const starts = byteLengths ? startsByBytes(text, byteLengths) : startsByNames(text, names);
  return starts.map((start, index) => {
    const end = starts[index + 1] ?? text.length;
    return { token: text.slice(start, end), start, end };
  });
}

/** Whether the names alone tell each token's part: they spell the text, and none is empty. */
export const namesTellSpans = (text: string, names: readonly string[]): boolean =>
  !names.includes('') && names.join('') === text;

/** A character belongs to the token that has its first byte. */
function startsByBytes(text: string, byteLengths: readonly number[]): number[] {
  const starts: number[] = [];
  let [unit, byte, tokenByte] = [0, 0, 0];
  for (const length of byteLengths) {
    while (byte < tokenByte) {
      const character = String.fromCodePoint(text.codePointAt(unit) ?? 0);
      unit += character.length;
      byte += Buffer.byteLength(character);
    }
    starts.push(unit);
    tokenByte += length;
  }
  return starts;
}

function startsByNames(text: string, names: readonly string[]): number[] {
  const starts: number[] = [];
  let position = 0;
  while (starts.length < names.length) {
    const index = starts.length;
    const name = names[index] ?? '';
    if (name !== '' && text.startsWith(name, position)) {
      starts.push(position);
      position += name.length;
      continue;
    }
    const anchor = findAnchor(text, position, names, index);
    const gap = text.slice(position, anchor?.position);
    if (anchor && gap === '') {
      // The server named the character at its last token.
      starts.push(position, ...repeat(position + leadingSharedCharacter(text, position), anchor.index - index));
      position += names[anchor.index]?.length ?? 0;
    } else {
      starts.push(...divide(gap, (anchor?.index ?? names.length) - index).map((offset) => position + offset));
      position += gap.length;
    }
  }
  return starts;
}

interface Anchor {
  readonly index: number;
  readonly position: number;
}

/** The next token behind `index` whose name is found in the text near `position`. */
function findAnchor(text: string, position: number, names: readonly string[], index: number): Anchor | undefined {
  let tried = 0;
  for (let next = index + 1; next < names.length && tried < MOST_ANCHORS; next++) {
    const name = names[next] ?? '';
    if (name === '' || name.includes(REPLACEMENT)) continue;
    tried += 1;
    const near = text.slice(position, position + (next - index) * MOST_UNITS_PER_TOKEN + name.length);
    const found = near.indexOf(name);
    if (found >= 0) return { index: next, position: position + found };
  }
  return undefined;
}

/** UTF-16 units of the character at `position` if several tokens can share it: ASCII is one byte and so one token. */
function leadingSharedCharacter(text: string, position: number): number {
  const code = text.codePointAt(position) ?? 0;
  return code < 0x80 ? 0 : String.fromCodePoint(code).length;
}

/** Where each of `count` tokens begins in `gap`, its characters divided evenly, those left over going to the first. */
function divide(gap: string, count: number): number[] {
  const offsets = [0];
  for (const character of gap) offsets.push((offsets.at(-1) ?? 0) + character.length);
  const characters = offsets.length - 1;
  return Array.from({ length: count }, (_, index) => offsets[Math.ceil((index * characters) / count)] ?? gap.length);
}

const repeat = (value: number, count: number): number[] => Array.from({ length: count }, () => value);
