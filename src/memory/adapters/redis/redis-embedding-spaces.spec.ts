import { jest } from '@jest/globals';
import type { RedisConnections } from '../../../infra/redis/index.js';
import { RedisEmbeddingSpaces } from './redis-embedding-spaces.js';

const SETTLED = { generation: '1', model: 'embedder', dimensions: '4' };
const MOVING = { ...SETTLED, next_generation: '2', next_model: 'another', next_dimensions: '3' };

/** A server that counts how often it is asked, and answers when the test says so. */
function server(fields: Readonly<Record<string, string>>) {
  const questions: ((answer: typeof fields) => void)[] = [];
  const hgetall = () => new Promise<typeof fields>((resolve) => questions.push(resolve));
  const connections = { commands: { hgetall } } as unknown as RedisConnections;
  const answer = (): void => {
    for (const resolve of questions) resolve(fields);
  };
  return { sut: new RedisEmbeddingSpaces(connections, 'spaces'), questions, answer };
}

describe(RedisEmbeddingSpaces.name, () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('asks once for all calls that find what it knows too old', async () => {
    const { sut, questions, answer } = server(SETTLED);

    const asking = Promise.all(Array.from({ length: 50 }, () => sut.recent()));
    answer();

    expect(new Set((await asking).map(({ current }) => current?.generation))).toEqual(new Set([1]));
    expect(questions).toHaveLength(1);
  });

  it('does not wait for an answer to a question that is itself too old', async () => {
    const { sut, questions, answer } = server(SETTLED);
    const first = sut.recent();
    jest.advanceTimersByTime(150);

    const second = sut.recent();
    answer();
    await Promise.all([first, second]);

    expect(questions).toHaveLength(2);
  });

  it('asks for each call by itself while memories are being moved', async () => {
    const { sut, questions, answer } = server(MOVING);
    const done = Promise.all([sut.recent(), sut.recent()]);
    answer();
    // The second of them asks when it has seen what the first one was told.
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    answer();
    await done;
    const third = sut.recent();
    answer();
    await third;

    expect(questions).toHaveLength(3);
  });
});
