import type { RedisConnections } from '../../infra/redis/index.js';
import { sleep } from '../../shared/index.js';
import { RedisEmbeddingSpaces } from './redis-embedding-spaces.js';

const SETTLED = { generation: '1', model: 'embedder', dimensions: '4' };
const MOVING = { ...SETTLED, next_generation: '2', next_model: 'another', next_dimensions: '3' };

/** A server that answers after a fixed time, and counts how often it is asked. */
function serverThatAnswers(fields: Readonly<Record<string, string>>, afterMs: number) {
  let questions = 0;
  const hgetall = async () => {
    questions += 1;
    await sleep(afterMs);
    return fields;
  };
  const connections = { commands: { hgetall } } as unknown as RedisConnections;
  return { sut: new RedisEmbeddingSpaces(connections, 'spaces'), questions: () => questions };
}

describe(RedisEmbeddingSpaces.name, () => {
  it('asks once for all calls that find what it knows too old', async () => {
    const { sut, questions } = serverThatAnswers(SETTLED, 20);

    const answers = await Promise.all(Array.from({ length: 50 }, () => sut.recent()));

    expect(questions()).toBe(1);
    expect(new Set(answers.map(({ current }) => current?.generation))).toEqual(new Set([1]));
  });

  it('does not wait for an answer to a question that is itself too old', async () => {
    const { sut, questions } = serverThatAnswers(SETTLED, 400);
    const first = sut.recent();
    await sleep(150);

    await Promise.all([first, sut.recent()]);

    expect(questions()).toBe(2);
  });

  it('asks for each call by itself while memories are being moved', async () => {
    const { sut, questions } = serverThatAnswers(MOVING, 1);

    await Promise.all([sut.recent(), sut.recent()]);
    await sut.recent();

    expect(questions()).toBe(3);
  });
});
