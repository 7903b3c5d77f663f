import { ImportLineError, readNdjson } from './ndjson.js';

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function read(text: string | Uint8Array, chunkBytes = 7, maxLineBytes = 1_000): Promise<unknown[]> {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const values: unknown[] = [];
  for await (const { line, value } of readNdjson(chunksOf(bytes, chunkBytes), maxLineBytes)) values.push([line, value]);
  return values;
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

  it('names the line that is not JSON, after those before it', async () => {
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { value } of readNdjson(chunksOf(Buffer.from('1\n2\n{oops\n4'), 3), 100)) seen.push(value);
    })();
    await expect(reading).rejects.toThrow(/^Line 3: it is not JSON/);
    expect(seen).toEqual([1, 2]);
  });

  it('refuses what is not UTF-8, and a line without an end', async () => {
    await expect(read(Uint8Array.of(0x22, 0xff, 0x22))).rejects.toThrow(ImportLineError);
    await expect(read(`1\n"${'a'.repeat(2_000)}"`)).rejects.toThrow(/^Line 2: it has more than 1000 bytes/);
  });
});
