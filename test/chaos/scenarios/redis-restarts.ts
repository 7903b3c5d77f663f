import { sleep } from '../../../src/shared/index.js';
import { ChatLoad } from '../chat-load.js';
import { MessageSource } from '../message-source.js';
import type { ChaosRun, Scenario, Verdict } from '../scenario.js';
import { Stage } from '../stage.js';

const EXTENT = {
  short: { restarts: 2, brains: 1, users: 4 },
  long: { restarts: 5, brains: 2, users: 10 },
};
const LATENCIES = { chatMs: 5, scoringMs: 100 };
const RHYTHM = { people: 4, maxPauseMs: 200 };
const UP_MS = { from: 500, to: 4_000 };
const DOWN_MS = { from: 200, to: 4_000 };

export const REDIS_RESTARTS: Scenario = {
  name: 'redis-restarts',
  promise:
    'Redis is killed and restarted under chat load: every chat is answered, and every answered message processed.',
  run: (chaos) => Stage.with(LATENCIES, (stage) => restartUnderLoad(stage, chaos)),
};

async function restartUnderLoad(stage: Stage, { random, scale, note }: ChaosRun): Promise<Verdict> {
  const { restarts, brains, users } = EXTENT[scale];
  const source = new MessageSource(random.fork('messages'), users);
  const loads = await Promise.all(
    Array.from({ length: brains }, async (_, index) => new ChatLoad(await stage.start(`brain-${index + 1}`).url())),
  );
  for (const [index, load] of loads.entries()) load.start(source, random.fork(`chats ${index}`), RHYTHM);
  let downMs = 0;
  for (let restart = 1; restart <= restarts; restart++) {
    await sleep(random.integer(UP_MS.from, UP_MS.to));
    const killedAt = performance.now();
    await stage.redis.kill();
    await sleep(random.integer(DOWN_MS.from, DOWN_MS.to));
    await stage.redis.restart();
    downMs += performance.now() - killedAt;
    note(`${restart} of ${restarts} restarts, ${loads.reduce((sum, { answered }) => sum + answered.length, 0)} chats`);
  }
  await Promise.all(loads.map((load) => load.stop()));
  const { violations, figures } = await stage.judge(loads);
  return { violations, figures: { restarts, down_ms: Math.round(downMs), ...figures } };
}
