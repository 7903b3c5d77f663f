import { ChildProgram } from '../../bench/load/child-program.js';

describe(ChildProgram.name, () => {
  const { LOG_LEVEL: given } = process.env;

  afterEach(() => {
    ChildProgram.killAll();
    if (given === undefined) delete process.env.LOG_LEVEL;
    else process.env.LOG_LEVEL = given;
  });

  it('learns where its program listens whatever level of log the shell asks for', async () => {
    process.env.LOG_LEVEL = 'fatal';
    const program = ChildProgram.start('local-vorpal', { LOCAL_VORPAL_SERVES: 'embeddings' });
    await expect(program.url()).resolves.toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    await expect(program.end('SIGTERM')).resolves.toBe(0);
  });
});
