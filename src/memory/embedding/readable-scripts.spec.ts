import { ReadableScripts } from './readable-scripts.js';

const AMHARIC = 'ልጄ ትምህርት ቤት ሄደች።';

/** As an embedder with a vocabulary: a letter that is not in it is one that stands for all unknown ones. */
function embedderOf(vocabulary: RegExp) {
  const requests: (readonly string[])[] = [];
  const embed = (texts: readonly string[]): Promise<Float32Array[]> => {
    requests.push(texts);
    return Promise.resolve(texts.map((text) => vectorOf(text, vocabulary)));
  };
  return { requests, embed };
}

function vectorOf(text: string, vocabulary: RegExp): Float32Array {
  const vector = new Float32Array(64);
  for (const letter of text) vector[vocabulary.test(letter) ? letter.codePointAt(0)! % 63 : 63]! += 1;
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

describe(ReadableScripts.name, () => {
  it('knows a script that the embedder cannot read, by one request for all texts of it', async () => {
    const { requests, embed } = embedderOf(/[\p{Script=Latin}\p{Script=Greek}]/u);
    const sut = new ReadableScripts(embed);

    expect(await Promise.all([sut.isReadable(AMHARIC), sut.isReadable(AMHARIC)])).toEqual([false, false]);
    expect(await sut.isReadable('ዛሬ ዝናብ ይዘንባል።')).toBe(false);
    expect(await sut.isReadable('Η αδελφή μου μένει στη Θεσσαλονίκη.')).toBe(true);
    expect(await sut.isReadable('Моя сестра живёт в Берлине.')).toBe(false);
    expect(requests).toHaveLength(3);
    expect(sut.isKnownAsReadable('ዛሬ')).toBe(false);
  });

  it('asks nothing for Latin letters, and for what has none', async () => {
    const { requests, embed } = embedderOf(/a/);
    const sut = new ReadableScripts(embed);

    expect(await sut.isReadable('I live in Łódź.')).toBe(true);
    expect(await sut.isReadable('10:15 🦊')).toBe(true);
    expect(requests).toEqual([]);
  });

  it('goes by what a text is mostly written in', async () => {
    const sut = new ReadableScripts(embedderOf(/\p{Script=Latin}/u).embed);

    expect(await sut.isReadable(`My sister says ${AMHARIC.slice(0, 3)} and means me.`)).toBe(true);
    expect(await sut.isReadable(`${AMHARIC} OK`)).toBe(false);
  });

  it('takes for readable what could not be asked, and asks again', async () => {
    const { embed } = embedderOf(/\p{Script=Latin}/u);
    let isDown = true;
    const sut = new ReadableScripts((texts) => (isDown ? Promise.reject(new Error('away')) : embed(texts)));

    expect(sut.isKnownAsReadable(AMHARIC)).toBe(true);
    expect(await sut.isReadable(AMHARIC)).toBe(true);
    isDown = false;
    expect(await sut.isReadable(AMHARIC)).toBe(false);
  });

  it('takes a script for unreadable of which it knows some letters alone', async () => {
    const sut = new ReadableScripts(embedderOf(/[\p{Script=Latin}ልጄት]/u).embed);

    expect(await sut.isReadable(AMHARIC)).toBe(false);
  });

  it('compares short texts, with letters of the same script', async () => {
    const { requests, embed } = embedderOf(/./u);
    const sut = new ReadableScripts(embed);

    for (const text of ['б', 'Ω', '中', '𞤀']) expect(await sut.isReadable(text)).toBe(true);
    expect(requests.map(([, exchanged]) => exchanged)).toEqual([
      expect.stringMatching(/^[^б\P{Script=Cyrillic}]$/u),
      expect.stringMatching(/^[^Ω\P{Script=Greek}]$/u),
      expect.stringMatching(/^[^中\P{Script=Han}]$/u),
      expect.stringMatching(/^[^𞤀\P{Script=Adlam}]$/u),
    ]);
  });
});
