import { readSettings, SettingsError } from './index.js';

const problemsOf = (environment: NodeJS.ProcessEnv): string => {
  try {
    readSettings(environment);
  } catch (error) {
    if (error instanceof SettingsError) return error.message;
    throw error;
  }
  throw new Error('the settings were accepted');
};

describe(readSettings.name, () => {
  it('needs nothing to be set', () => {
    const settings = readSettings({});
    expect(settings.server).toMatchObject({ host: '127.0.0.1', port: 8080 });
    expect(settings.worker).toMatchObject({ enabled: true, batchSize: 10, blockMs: 1_000 });
    expect(settings.stream).toMatchObject({ key: 'session:input_stream', group: 'memory-workers' });
    expect(settings.vorpal.url).toBeUndefined();
  });

  it('lists everything that is wrong at once', () => {
    const problems = problemsOf({
      PORT: 'eighty',
      VORPAL_URL: 'ftp://x',
      ASYNC_MEMORY: 'perhaps',
      REDIS_URL: 'localhost',
    });
    expect(problems).toMatch(/^4 settings are wrong/);
    for (const name of ['PORT', 'VORPAL_URL', 'ASYNC_MEMORY', 'REDIS_URL']) expect(problems).toContain(`  ${name}: `);
  });

  it('does not print the values, which may be secrets', () => {
    expect(problemsOf({ REDIS_URL: 'http://user:hunter2@example.org' })).not.toContain('hunter2');
  });

  it('takes an empty value for one that is not set', () => {
    expect(readSettings({ PORT: '', VORPAL_URL: '' }).server.port).toBe(8080);
  });

  it.each(['false', 'off', '0', 'no'])('understands ASYNC_MEMORY=%s', (value) => {
    expect(readSettings({ ASYNC_MEMORY: value }).worker.enabled).toBe(false);
  });

  it('keeps the text of messages out of the logs of production unless told otherwise', () => {
    expect(readSettings({}).worker.logMessages).toBe(true);
    expect(readSettings({ WORKER_LOG_MESSAGES: 'false' }).worker.logMessages).toBe(false);
    expect(readSettings({ NODE_ENV: 'production' }).worker.logMessages).toBe(false);
    expect(readSettings({ NODE_ENV: 'production', WORKER_LOG_MESSAGES: 'true' }).worker.logMessages).toBe(true);
  });

  it('reads lists separated by commas', () => {
    const environment = { ALLOWED_HOSTS: 'brain, brain.example.org', CORS_ORIGINS: 'https://a.org,http://b.org:8080' };
    expect(readSettings(environment).server).toMatchObject({
      allowedHosts: ['brain', 'brain.example.org'],
      corsOrigins: ['https://a.org', 'http://b.org:8080'],
    });
    expect(readSettings({}).server).toMatchObject({ allowedHosts: [], corsOrigins: [] });
  });

  it.each(['*', 'null', 'a.org', 'https://a.org/', 'https://a.org/path', 'https://A.org', 'ftp://a.org'])(
    'takes %s for no origin',
    (origin) => {
      expect(problemsOf({ CORS_ORIGINS: `https://b.org,${origin}` })).toContain('  CORS_ORIGINS: must list origins');
    },
  );

  it('writes JSON logs in production unless told otherwise', () => {
    expect(readSettings({ NODE_ENV: 'production' }).logs.format).toBe('json');
    expect(readSettings({ NODE_ENV: 'production', LOG_FORMAT: 'text' }).logs.format).toBe('text');
  });

  it.each([
    ['fewer chats at once to the embedded Vorpal', {}, 32],
    ['as many to another server as vLLM answers', { VORPAL_URL: 'http://gpu:8000' }, 256],
    ['as many as it is told', { CHAT_CONCURRENCY: '7' }, 7],
  ])('gives %s', (_, environment, chatConcurrency) => {
    expect(readSettings(environment).vorpal).toMatchObject({ chatConcurrency });
  });

  it.each([
    ['the embedded Vorpal one batch at a time', {}, 1, 2],
    ['another server as many as the worker finds good', { VORPAL_URL: 'http://gpu:8000' }, 64, 96],
    ['never more batches than scoring requests', { VORPAL_URL: 'http://gpu:8000', SCORING_CONCURRENCY: '4' }, 4, 4],
    ['what is asked for', { WORKER_MAX_BATCHES: '3', SCORING_CONCURRENCY: '8' }, 3, 8],
  ])('gives %s', (_, environment, maxBatches, scoringConcurrency) => {
    const { worker, vorpal } = readSettings(environment);
    expect({ ...worker, ...vorpal }).toMatchObject({ maxBatches, scoringConcurrency });
  });

  it.each([
    ['single', 'redis://one', [{ host: 'one', port: 6379 }]],
    [
      'sentinel',
      'redis://one,two:5000',
      [
        { host: 'one', port: 26379 },
        { host: 'two', port: 5000 },
      ],
    ],
    [
      'cluster',
      'redis://one,two:7000/0',
      [
        { host: 'one', port: 6379 },
        { host: 'two', port: 7000 },
      ],
    ],
  ])('gives the hosts of REDIS_URL the port of what they are: %s', (topology, url, hosts) => {
    expect(readSettings({ REDIS_URL: url, REDIS_TOPOLOGY: topology }).redis).toMatchObject({ topology, hosts });
  });

  it.each([
    ['REDIS_TOPOLOGY: needs REDIS_URL', { REDIS_TOPOLOGY: 'cluster' }],
    ['REDIS_URL: names several hosts; set REDIS_TOPOLOGY=cluster', { REDIS_URL: 'redis://one,two' }],
    ['REDIS_URL: names a database', { REDIS_URL: 'redis://one/2', REDIS_TOPOLOGY: 'cluster' }],
    ['STREAM_KEY: has a }', { REDIS_URL: 'redis://one', REDIS_TOPOLOGY: 'cluster', STREAM_KEY: 'a}b' }],
    ['REDIS_KEY_PREFIX: has braces', { REDIS_URL: 'redis://one', REDIS_TOPOLOGY: 'cluster', REDIS_KEY_PREFIX: '{a}' }],
  ])('finds what does not go together: %s', (problem, environment) => {
    expect(problemsOf(environment)).toContain(`  ${problem}`);
  });

  it('cannot be changed afterwards', () => {
    const settings = readSettings({});
    expect(() => {
      (settings.server as { port: number }).port = 1;
    }).toThrow(TypeError);
  });
});
