import { completionRequestSchema, decodeSseData, encodeSseData, readErrorBody, SSE_DONE } from './index.js';

async function* chunksOf(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  for (let start = 0; start < bytes.length; start += size) yield bytes.slice(start, start + size);
}

async function decode(text: string, size = 3): Promise<{ events: string[]; complete: boolean | undefined }> {
  const events: string[] = [];
  const decoder = decodeSseData(chunksOf(text, size));
  for (;;) {
    const { done, value } = await decoder.next();
    if (done) return { events, complete: value };
    events.push(value);
  }
}

describe('server-sent events', () => {
  it.each([1, 2, 7, 1_000])('survive being cut into pieces of %d bytes', async (size) => {
    const payloads = [{ text: 'grüße 👋' }, { text: 'two\nlines' }];
    const wire = payloads.map(encodeSseData).join('') + encodeSseData(SSE_DONE);
    expect(await decode(wire, size)).toEqual({
      events: payloads.map((payload) => JSON.stringify(payload)),
      complete: true,
    });
  });

  it('say that the stream was cut when [DONE] is missing', async () => {
    expect(await decode(encodeSseData({ text: 'half' }))).toEqual({ events: ['{"text":"half"}'], complete: false });
  });
});

describe('the form of a prompt', () => {
  it.each([['a text'], [[1, 2, 3]], [['two', 'texts']], [[[1, 2], [3]]]])('%j is accepted', (prompt) => {
    expect(completionRequestSchema.safeParse({ prompt }).success).toBe(true);
  });

  it.each([undefined, null, [], 7, [1.5], [-1], [['a']], [1, 'a']])('%j is refused', (prompt) => {
    expect(completionRequestSchema.safeParse({ prompt }).success).toBe(false);
  });
});

describe(readErrorBody.name, () => {
  it.each([
    [
      { object: 'error', message: 'flat', type: 'BadRequestError', param: null, code: 400 },
      { message: 'flat', type: 'BadRequestError' },
    ],
    [
      { error: { message: 'nested', type: 'NotFoundError', param: 'model', code: 404 } },
      { message: 'nested', type: 'NotFoundError', param: 'model' },
    ],
    [{ error: 'Unauthorized' }, { message: 'Unauthorized' }],
    ['', {}],
    [null, {}],
    [{ detail: 'of another server' }, {}],
  ])('reads %j', (body, expected) => {
    expect(readErrorBody(body)).toEqual(expected);
  });
});
