import { TestBrain } from '../support/brain.js';
import { untilValue } from '../support/until.js';

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const gone = (pid: number) =>
  untilValue(
    async () => isAlive(pid),
    (alive) => !alive,
  );

describe('the Vorpal that the brain starts', () => {
  let sut: TestBrain;

  beforeEach(async () => {
    sut = await TestBrain.start({ CHAT_MAX_TOKENS: '400' });
    await sut.ready();
  }, 300_000);

  afterEach(() => sut.dispose());

  it('is restarted when it dies, and answers again', async () => {
    process.kill(await sut.program.childPid(), 'SIGKILL');
    await sut.program.waitForLog(/^Local Vorpal ended \(SIGKILL\); restarting in \d+ ms$/);
    await sut.post('/chat', { message: 'Captured while the model is away', session_id: 'between' });
    await untilValue(
      () => sut.post('/perplexity', { text: 'Back again.' }),
      ({ status }) => status === 200,
    );
    const { recent } = await sut.workerUntil(({ processed }) => processed >= 1);
    expect(recent[0]).toMatchObject({ session_id: 'between', perplexity: expect.any(Number) });
  }, 300_000);

  it('does not outlive a brain that was killed', async () => {
    const pid = await sut.program.childPid();
    expect(isAlive(pid)).toBe(true);
    await sut.program.end('SIGKILL');
    await gone(pid);
  });

  it('finishes the answer it is giving, or is cut at the end of the grace period, and ends with the brain', async () => {
    const pid = await sut.program.childPid();
    const answer = sut.post('/chat', { message: 'Tell me a long story about the sea.' }).catch(() => undefined);
    await sut.workerUntil(({ captured }) => captured >= 1);
    const startedAt = performance.now();
    expect(await sut.program.end('SIGTERM')).toBe(0);
    // A brain that waited for the whole story, or for its child, would take minutes.
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    await gone(pid);
    expect([200, undefined]).toContain((await answer)?.status);
  });
});
