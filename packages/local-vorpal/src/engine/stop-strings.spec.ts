import { StopStringScanner } from './stop-strings.js';

/** Feeds `text` piece by piece and returns what came out, and what stopped it. */
function scan(pieces: Iterable<string>, stops: string[]): { text: string; stoppedBy: string | undefined } {
  const scanner = new StopStringScanner(stops);
  let text = '';
  for (const piece of pieces) {
    const result = scanner.push(piece);
    text += result.text;
    if (result.stoppedBy !== undefined) return { text, stoppedBy: result.stoppedBy };
  }
  return { text: text + scanner.flush(), stoppedBy: undefined };
}

describe(StopStringScanner.name, () => {
  it('ends before a stop string, however it is cut into pieces', () => {
    for (const pieces of [['one END two'], ['one E', 'ND two'], Array.from('one END two')]) {
      expect(scan(pieces, ['END'])).toEqual({ text: 'one ', stoppedBy: 'END' });
    }
  });

  it('keeps what only looked like the start of one', () => {
    expect(scan(Array.from('EN EEN ENE'), ['END'])).toEqual({ text: 'EN EEN ENE', stoppedBy: undefined });
  });

  it('stops at the first of several', () => {
    expect(scan(['a\n\nb END'], ['END', '\n\n'])).toEqual({ text: 'a', stoppedBy: '\n\n' });
  });

  it('finds one that overlaps itself', () => {
    expect(scan(Array.from('xaaab'), ['aab'])).toEqual({ text: 'xa', stoppedBy: 'aab' });
  });

  it('lets everything pass at once where there is none', () => {
    expect(new StopStringScanner([]).push('text')).toEqual({ text: 'text' });
  });

  it('holds back no more than may become one', () => {
    expect(new StopStringScanner(['END']).push('text E')).toEqual({ text: 'text ' });
  });
});
