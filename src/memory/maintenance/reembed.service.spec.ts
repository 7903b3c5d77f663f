import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embeddings, sendJson } from '../../../test/support/stub-vorpal.js';
import { useStubVorpal } from '../../../test/support/use-stub-vorpal.js';
import { startVorpalModule, type VorpalParts } from '../../../test/support/vorpal-module.js';
import { SqliteDatabase } from '../../infra/sqlite/index.js';
import { SqliteMemoryStore } from '../adapters/sqlite/sqlite-memory-store.js';
import { Embedder } from '../embedding/embedder.js';
import { indexMemory } from '../remember/indexed-memory.js';
import { newMemory } from '../remember/new-memory.js';
import { ReembedService } from './reembed.service.js';

const TEXT = 'The spare key hangs under the blue bench.';
const signal = new AbortController().signal;
const onProgress = (): undefined => undefined;

describe(ReembedService.name, () => {
  const stub = useStubVorpal();
  let folder: string;
  let database: SqliteDatabase;
  let store: SqliteMemoryStore;
  let vorpal: VorpalParts;
  let embedder: Embedder;
  let sut: ReembedService;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'reembed-'));
    database = await SqliteDatabase.open(join(folder, 'brain.sqlite'));
    store = new SqliteMemoryStore(database, { maxMemories: 10, maxBytes: 65_536, maxDecisions: 10 });
    vorpal = await startVorpalModule({ VORPAL_URL: stub().url });
    embedder = new Embedder(vorpal.client, store);
    sut = new ReembedService(store, store.reembedding, embedder);
    const [vector] = await embedder.embed([TEXT]);
    await store.put('ada', [indexMemory(newMemory('ada', { text: TEXT }), vector!)]);
  });

  afterEach(async () => {
    await vorpal.close();
    await database.close();
    await rm(folder, { recursive: true });
  });

  it('leaves memories alone that are of the model already', async () => {
    expect(await sut.run({ signal, onProgress })).toMatchObject({ kind: 'unchanged' });
  });

  it('embeds them again with the same model where it is told to, and they are found by their new vectors', async () => {
    // The model's answer to a text is another one than when the memory was made.
    stub().on('/v1/embeddings', ({ body }, response) => {
      const { data, ...rest } = embeddings(body.input);
      sendJson(response, { ...rest, data: data.map((one) => ({ ...one, embedding: [0, 1] })) });
    });

    expect(await sut.run({ signal, onProgress, again: true })).toMatchObject({ kind: 'moved', memories: 1 });

    const [found] = await store.candidates('ada', { vector: Float32Array.of(0, 1), limit: 1 });
    expect(found).toMatchObject({ memory: { text: TEXT }, cosine: expect.closeTo(1, 5) as number });
  });
});
