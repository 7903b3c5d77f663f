// A byte-level vocabulary (GPT-2's and its descendants') spells a byte by one printable character: those of Latin-1
// that print by themselves, any other by the characters from U+0100 on, in order.
const PRINTABLE = [
  [0x21, 0x7e],
  [0xa1, 0xac],
  [0xae, 0xff],
] as const;
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = byteLevelAlphabet();

// How sentencepiece spells a byte that no piece of its vocabulary covers.
const BYTE_PIECE = /^<0x(?<hex>[0-9A-Fa-f]{2})>$/;
const SENTENCEPIECE_SPACE = /\u2581/g;
const SPACE = 0x20;

const SPELLINGS = [byteLevelBytes, sentencepieceBytes, (piece: string) => Buffer.from(piece)];

/**
 * Bytes of `text` (UTF-8) that each token covers, from the pieces of the vocabulary (`Ġsky`, `▁sky`, `<0xF0>`).
 * `undefined` where the pieces do not spell the text, as those of a tokenizer that folds case or normalises do not.
 */
export function byteLengthsOf(pieces: readonly string[], text: string): number[] | undefined {
  const expected = Buffer.from(text);
  for (const bytesOf of SPELLINGS) {
    const parts = pieces.map(bytesOf);
    const lengths = parts.map(({ length }) => length);
    const spelled = Buffer.concat(parts);
    if (spelled.equals(expected)) return lengths;
    // Sentencepiece puts a space before the text.
    const [first = 0, ...others] = lengths;
    if (first > 0 && spelled[0] === SPACE && spelled.subarray(1).equals(expected)) return [first - 1, ...others];
  }
  return undefined;
}

function byteLevelBytes(piece: string): Buffer {
  const bytes: number[] = [];
  for (const character of piece) {
    const byte = BYTE_OF_CHARACTER.get(character);
    // An added token is spelled as it is.
    if (byte === undefined) return Buffer.from(piece);
    bytes.push(byte);
  }
  return Buffer.from(bytes);
}

function sentencepieceBytes(piece: string): Buffer {
  const hex = BYTE_PIECE.exec(piece)?.groups?.hex;
  return hex === undefined ? Buffer.from(piece.replace(SENTENCEPIECE_SPACE, ' ')) : Buffer.from(hex, 'hex');
}

function byteLevelAlphabet(): Map<string, number> {
  const alphabet = new Map<string, number>();
  let others = 0;
  for (let byte = 0; byte < 256; byte++) {
    const prints = PRINTABLE.some(([from, to]) => byte >= from && byte <= to);
    alphabet.set(String.fromCodePoint(prints ? byte : 0x100 + others++), byte);
  }
  return alphabet;
}
