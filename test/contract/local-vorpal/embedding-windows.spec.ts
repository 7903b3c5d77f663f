import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteDatabase } from '../../../src/infra/sqlite/index.js';
import { SqliteMemoryStore } from '../../../src/memory/adapters/sqlite/sqlite-memory-store.js';
import { Embedder } from '../../../src/memory/embedding/embedder.js';
import { type RunningVorpal, startLocalVorpal } from '../../support/local-vorpal.js';
import { startVorpalModule, type VorpalParts } from '../../support/vorpal-module.js';

const WINDOW_TOKENS = 256;
// About 330 tokens, the same before every fact: a model that reads only the beginning cannot tell the texts apart.
const PREAMBLE = 'We talked for a while about the weather, the trains, and what the neighbours had said. '.repeat(18);
const FACTS = [
  'My sister keeps eleven beehives behind the vineyard.',
  'The spare key to the boathouse hangs under the blue bench.',
  'I am allergic to penicillin, so the doctor gave me something else.',
];
const QUESTIONS = ['How many beehives are there?', 'Where is the spare key?', 'Which drug am I allergic to?'];

interface EmbeddingAnswer {
  readonly data: { embedding: number[] }[];
  readonly usage: { prompt_tokens: number };
  readonly error?: { message: string; param: string };
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, index) => sum + value * b[index]!, 0);

describe('texts longer than the window of the embedding model', () => {
  let local: RunningVorpal;
  let vorpal: VorpalParts;
  let database: SqliteDatabase;
  let folder: string;
  let sut: Embedder;

  beforeAll(async () => {
    local = await startLocalVorpal({ LOCAL_VORPAL_SERVES: 'embeddings' });
    vorpal = await startVorpalModule({ VORPAL_URL: local.url, EMBEDDINGS_URL: local.url });
    folder = await mkdtemp(join(tmpdir(), 'windows-'));
    database = await SqliteDatabase.open(join(folder, 'brain.sqlite'));
    sut = new Embedder(
      vorpal.client,
      new SqliteMemoryStore(database, { maxMemories: 100, maxBytes: 1e6, maxDecisions: 10 }),
    );
  }, 300_000);

  afterAll(async () => {
    await vorpal.close();
    await database.close();
    await local.stop();
    await rm(folder, { recursive: true });
  });

  const embed = async (body: object) => {
    const response = await fetch(`${local.url}/v1/embeddings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as EmbeddingAnswer };
  };

  it('finds a fact behind the window by its question', async () => {
    const memories = await sut.embed(FACTS.map((fact) => PREAMBLE + fact));
    const questions = await sut.embed(QUESTIONS);

    const found = questions.map((question) => {
      const similarities = memories.map((memory) => dot(question, memory));
      return similarities.indexOf(Math.max(...similarities));
    });

    expect(found).toEqual([0, 1, 2]);
  });

  it('embeds a text that fits as the server embeds it, also beside long ones', async () => {
    const [fact = ''] = FACTS;
    const [, vector] = await sut.embed([PREAMBLE + fact, fact]);
    const { body } = await embed({ input: fact });
    expect(dot(vector!, body.data[0]!.embedding)).toBeCloseTo(1, 5);
  });

  it('embeds what is denser than its length lets expect: the server refuses it, and it is halved', async () => {
    const digits = Array.from({ length: 700 }, (_, index) => index % 10).join('');
    expect((await embed({ input: digits.split('').join(' ') })).status).toBe(400);
    const [vector] = await sut.embed([digits.split('').join(' ')]);
    expect(Math.hypot(...vector!)).toBeCloseTo(1, 5);
  });

  it('is refused by the server, unless it is told what to leave out', async () => {
    const long = PREAMBLE + FACTS.join(' ');
    const refused = await embed({ input: ['short', long] });
    expect([refused.status, refused.body.error?.param]).toEqual([400, 'input_tokens']);
    expect(refused.body.error?.message).toContain(`maximum context length is ${WINDOW_TOKENS} tokens`);

    const cut = await embed({ input: long, truncate_prompt_tokens: -1 });
    const short = await embed({ input: long, truncate_prompt_tokens: 20 });
    const end = await embed({ input: long, truncate_prompt_tokens: 20, truncation_side: 'left' });

    const read = [cut, short, end].map(({ body }) => body.usage.prompt_tokens);
    expect(read).toEqual([WINDOW_TOKENS, 20, 20]);
    const [beginning, ending] = [PREAMBLE.slice(0, 87), FACTS[2]!];
    const nearest = async (text: string) => {
      const { body } = await embed({ input: text });
      return [short, end].map((one) => dot(one.body.data[0]!.embedding, body.data[0]!.embedding));
    };
    const [[shortToBeginning, endToBeginning], [shortToEnding, endToEnding]] = [
      await nearest(beginning),
      await nearest(ending),
    ];
    expect(shortToBeginning).toBeGreaterThan(endToBeginning!);
    expect(endToEnding).toBeGreaterThan(shortToEnding!);
  });

  it.each([
    ['more than the window', WINDOW_TOKENS + 1, 'truncate_prompt_tokens'],
    ['nothing at all', 0, null],
    ['less than nothing', -2, 'truncate_prompt_tokens'],
  ])('refuses to keep %s', async (_, tokens, param) => {
    const { status, body } = await embed({ input: 'a text', truncate_prompt_tokens: tokens });
    expect([status, body.error?.param]).toEqual([400, param]);
  });
});
