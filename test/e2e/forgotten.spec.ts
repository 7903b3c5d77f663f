import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FixedLatencyVorpal } from '../../bench/load/fixed-latency-vorpal.js';
import { TestBrain } from '../support/brain.js';

const LIMIT_MS = 180_000;
const MESSAGES = 30;
// Long enough for some to need more than one page of the file.
const FILLER = 'and what followed from it, in all its length; '.repeat(40);

const messageOf = (user: string, index: number): string =>
  `${user} entrusts secret number ${index}x of ${wordOf(user)}: ${FILLER}`;
const markOf = (user: string): string => `${user} entrusts secret number`;
/** No other text has it, and no term of the index of words begins as it does. */
const wordOf = (user: string): string => `qx${user}qx`;

describe('what a user said, once the user is forgotten', () => {
  let sut: TestBrain;
  let vorpal: FixedLatencyVorpal;

  beforeEach(async () => {
    vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 1 });
    sut = await TestBrain.start({ VORPAL_URL: vorpal.url, EMBEDDINGS_URL: vorpal.url });
  }, LIMIT_MS);

  afterEach(async () => {
    await sut.dispose();
    vorpal.stop();
  });

  /** How often `text` stands in each file of the data folder, log and spool included. */
  const occurrences = (text: string): Record<string, number> => {
    const files = readdirSync(sut.dataDir, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
    const counts = files.map(({ name, parentPath }) => {
      const content = readFileSync(join(parentPath, name), 'latin1');
      return [name, content.split(text).length - 1] as const;
    });
    return Object.fromEntries(counts.filter(([, count]) => count > 0));
  };

  const found = async (user_id: string): Promise<unknown[]> => {
    const query = { query: wordOf(user_id), user_id, mode: 'lexical', limit: 100 };
    return (await sut.post<{ memories: unknown[] }>('/memories/search', query)).body.memories;
  };

  it(
    'stands in no file of the brain, neither deleted nor logged, and what others said is left',
    async () => {
      for (let i = 0; i < MESSAGES; i++) {
        for (const user_id of ['ada', 'bob']) {
          const body = { message: messageOf(user_id, i), user_id, session_id: `${user_id}-${i % 3}` };
          expect((await sut.post('/chat', body)).status).toBe(200);
        }
      }
      await sut.workerUntil(({ processed }) => processed >= 2 * MESSAGES, LIMIT_MS);
      expect(Object.keys(occurrences(markOf('ada')))).toContain('brain.sqlite-wal');
      expect(await found('ada')).toHaveLength(MESSAGES);

      const { status } = await sut.delete('/memories?user_id=ada');

      expect(status).toBe(200);
      expect(occurrences(markOf('ada'))).toEqual({});
      expect(occurrences(wordOf('ada'))).toEqual({});
      expect(await found('bob')).toHaveLength(MESSAGES);
      expect(Object.keys(occurrences(markOf('bob')))).toContain('brain.sqlite');
    },
    LIMIT_MS,
  );
});
