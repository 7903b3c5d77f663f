import { readNdjson } from './ndjson.js';

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function read(text: string | Uint8Array, chunkBytes = 7, maxLineBytes = 1_000): Promise<unknown[]> {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const lines: unknown[] = [];
  for await (const { line, ...read } of readNdjson(chunksOf(bytes, chunkBytes), maxLineBytes)) {
    lines.push([line, 'value' in read ? read.value : read]);
  }
  return lines;
}

describe(readNdjson.name, () => {
  it.each([1, 2, 3, 1_000])('reads a value a line, however the bytes are cut (%p at a time)', async (chunkBytes) => {
    const text = '{"a": "naïve 🦊"}\r\n\n[1]\n"last"';
    expect(await read(text, chunkBytes)).toEqual([
      [1, { a: 'naïve 🦊' }],
      [3, [1]],
      [4, 'last'],
    ]);
  });

  it('reads nothing from nothing', async () => {
    expect(await read('')).toEqual([]);
    expect(await read('\n\n')).toEqual([]);
  });

  it('tells of a line that is not JSON, and reads those after it', async () => {
    expect(await read('1\n2\n{oops\n\n4')).toEqual([
      [1, 1],
      [2, 2],
      [3, { problem: 'it is not JSON' }],
      [5, 4],
    ]);
  });

  it('tells of a line that is not UTF-8', async () => {
    expect(await read(Uint8Array.of(0x31, 0x0a, 0x22, 0xff, 0x22, 0x0a, 0x32))).toEqual([
      [1, 1],
      [2, { problem: 'it is not UTF-8' }],
      [3, 2],
    ]);
  });

  it.each([7, 5_000])(
    'passes over a line that is too long, whether it ends or not (%d bytes at a time)',
    async (bytes) => {
      const long = `"${'a'.repeat(2_000)}"`;
      expect(await read(`1\n${long}\n3\n${long}`, bytes)).toEqual([
        [1, 1],
        [2, { problem: 'it has more than 1000 bytes' }],
        [3, 3],
        [4, { problem: 'it has more than 1000 bytes' }],
      ]);
    },
  );
});
