import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embeddings, sendJson, StubVorpal } from '../../../test/support/stub-vorpal.js';
import { startVorpalModule, type VorpalParts } from '../../../test/support/vorpal-module.js';
import { SqliteDatabase } from '../../infra/sqlite/index.js';
import { VorpalEmbeddingsUnsupportedError, VorpalRequestError } from '../../vorpal/index.js';
import { SqliteMemoryStore } from '../adapters/sqlite/sqlite-memory-store.js';
import { Embedder } from './embedder.js';
import { EmbeddingModelChangedError, MemoryVectorError, ReembeddingError } from '../memory.errors.js';

const EMBEDDINGS = '/v1/embeddings';

describe(Embedder.name, () => {
  let folder: string;
  let database: SqliteDatabase;
  let store: SqliteMemoryStore;
  let stub: StubVorpal;
  let vorpal: VorpalParts;
  let sut: Embedder;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'embedder-'));
    database = await SqliteDatabase.open(join(folder, 'brain.sqlite'));
    store = new SqliteMemoryStore(database, { maxMemories: 100, maxBytes: 1e6, maxDecisions: 10 });
    stub = await StubVorpal.start();
    vorpal = await startVorpalModule({ VORPAL_URL: stub.url });
    sut = new Embedder(vorpal.client, store);
  });

  afterEach(async () => {
    await vorpal.close();
    await stub.stop();
    await database.close();
    await rm(folder, { recursive: true });
  });

  /** Refuses texts of more than `maxCharacters`, as a server with a window does. */
  const limitTo = (maxCharacters: number): void => {
    stub.on(EMBEDDINGS, ({ body }, response) => {
      if (body.input.every((text) => text.length <= maxCharacters)) sendJson(response, embeddings(body.input));
      else {
        const message = "This model's maximum context length is 256 tokens. Please reduce the length of the input.";
        sendJson(response, { error: { message, type: 'BadRequestError', code: 400 } }, 400);
      }
    });
  };

  it('gives unit vectors, and takes the first space for the store’s own', async () => {
    const vectors = await sut.embed(['a', 'bb']);

    expect(vectors.map((vector) => Math.hypot(...vector))).toEqual([expect.closeTo(1, 6), expect.closeTo(1, 6)]);
    expect(vectors[1]![0]! / vectors[1]![1]!).toBeCloseTo(2, 6);
    expect(await store.spaces()).toEqual({ current: { model: 'embedder', dimensions: 2 }, next: undefined });
  });

  it('embeds what is said, and not the code beside it', async () => {
    const said = 'Why does this function return nothing?';
    await sut.embed([`${said}\n\`\`\`\nreturn;\n\`\`\``]);
    expect(stub.requests.at(-1)?.body.input).toEqual([said]);
  });

  it('says of a text in letters that the model does not know that its vector tells nothing', async () => {
    stub.on(EMBEDDINGS, ({ body }, response) => {
      sendJson(response, embeddings(body.input.map((text) => text.replaceAll(/\p{Script=Ethiopic}/gu, '?'))));
    });

    expect(await sut.isReadable('ልጄ ትምህርት ቤት ሄደች።')).toBe(false);
    expect(sut.isKnownAsReadable('ዛሬ ዝናብ ይዘንባል።')).toBe(false);
    expect(sut.isKnownAsReadable('My child went to school.')).toBe(true);
  });

  it('asks nothing for nothing', async () => {
    expect(await sut.embed([])).toEqual([]);
    expect(stub.requests).toEqual([]);
  });

  it('asks for the window and the vectors of short texts in nothing but one request', async () => {
    await sut.embed(['a', 'bb', 'a sentence of ordinary length, as people write them']);
    expect(stub.requests.map(({ path }) => path)).toEqual([EMBEDDINGS]);
  });

  it('embeds a text that is too long in parts of which each counts less, and the others whole', async () => {
    limitTo(400);

    const [short, long] = await sut.embed(['short', 'x'.repeat(300) + 'y'.repeat(300)]);

    expect(short![0]! / short![1]!).toBeCloseTo(5, 4);
    const asked = stub.requests.filter(({ path }) => path === EMBEDDINGS).flatMap(({ body }) => body.input);
    const parts = asked.filter((text) => text.length === 300);
    expect(parts).toEqual(['x'.repeat(300), 'y'.repeat(300)]);
    // The stub's vector of a text is [its length, 1], so both parts have one direction, and so has their sum.
    expect(long![0]! / long![1]!).toBeCloseTo(300, 1);
  });

  it('cuts texts to the window that the server names, and asks for it once', async () => {
    stub.model = 'all-MiniLM-L6-v2';
    const text = 'word '.repeat(2_000);

    await sut.embed([text]);
    await sut.embed([text]);

    const lists = stub.requests.filter(({ path }) => path === '/v1/models');
    const sent = stub.requests.filter(({ path }) => path === EMBEDDINGS).map(({ body }) => body.input);
    expect(lists).toHaveLength(1);
    expect(sent).toHaveLength(2);
    expect(sent[0]!.length).toBeGreaterThan(1);
    expect(sent[0]!.join('')).toBe(text);
  });

  it('reads no more than a few parts of a text without an end, its end among them', async () => {
    await sut.embed(['word '.repeat(50_000) + 'END']);
    const [input] = stub.requests.filter(({ path }) => path === EMBEDDINGS).map(({ body }) => body.input);
    expect(input!.length).toBeLessThanOrEqual(16);
    expect(input!.at(-1)).toMatch(/END$/);
  });

  it('finds the one text that is refused among many with a few requests', async () => {
    limitTo(300);
    const texts = Array.from({ length: 64 }, (_, index) => (index === 41 ? 'x'.repeat(380) : `text ${index}`));

    const vectors = await sut.embed(texts);

    expect(vectors).toHaveLength(64);
    expect(vectors[63]![0]! / vectors[63]![1]!).toBeCloseTo('text 63'.length, 4);
    expect(stub.requests.length).toBeLessThan(20);
  });

  it('gives up on a server that takes nothing', async () => {
    limitTo(0);
    await expect(sut.embed(['x'.repeat(1_000)])).rejects.toBeInstanceOf(VorpalRequestError);
  });

  it('tells a server that cannot embed from a text that cannot be embedded', async () => {
    const refuse = (bad: (text: string) => boolean): void => {
      stub.on(EMBEDDINGS, ({ body }, response) => {
        if (body.input.some(bad)) sendJson(response, { error: { message: 'no', type: 'BadRequestError' } }, 400);
        else sendJson(response, embeddings(body.input));
      });
    };
    refuse((text) => text === 'bad');
    const refusal: unknown = await sut.embed(['good', 'bad']).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(VorpalRequestError);
    refuse(() => true);
    const unsupported: unknown = await sut.embed(['good', 'bad']).catch((error: unknown) => error);
    expect(unsupported).toBeInstanceOf(VorpalEmbeddingsUnsupportedError);
  });

  it('refuses vectors of another model, or of other dimensions', async () => {
    await store.claimSpace({ model: 'another', dimensions: 2 });
    const refusal: unknown = await sut.embed(['a']).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(EmbeddingModelChangedError);
    expect(String(refusal)).toContain('npm run memories:reembed');
  });

  it('refuses everybody while the memories are being moved', async () => {
    await store.claimSpace({ model: 'embedder', dimensions: 2 });
    await store.reembedding.begin({ model: 'next', dimensions: 3 });
    await expect(sut.embed(['a'])).rejects.toBeInstanceOf(ReembeddingError);
    await expect(sut.embedForAnySpace(['a'])).resolves.toMatchObject({ space: { model: 'embedder', dimensions: 2 } });
  });

  it('lets no vector without a direction pass', async () => {
    const data = [{ index: 0, object: 'embedding', embedding: [0, 0] }];
    stub.next(EMBEDDINGS, (_, response) => {
      sendJson(response, { object: 'list', model: 'embedder', data });
    });
    await expect(sut.embed(['a'])).rejects.toBeInstanceOf(MemoryVectorError);
  });
});
