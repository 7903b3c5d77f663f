import { checkServer, vectorSetProblem } from './server-checks.js';

const infoOf = (values: Record<string, string | number>): string =>
  ['# Server', ...Object.entries(values).map(([key, value]) => `${key}:${value}`)].join('\r\n');

const good = {
  redis_version: '8.0.2',
  redis_mode: 'standalone',
  maxmemory: 0,
  maxmemory_policy: 'noeviction',
  aof_enabled: 1,
};

describe(checkServer.name, () => {
  it('finds nothing wrong with a server that keeps what it is given', () => {
    expect(checkServer(infoOf(good), '', 'single')).toEqual([]);
  });

  it.each([
    ['6.2.0', 1],
    ['7.0.15', 1],
    ['7.4.1', 1],
    ['8.0.0', 0],
    ['8.2.1', 0],
    ['10.0.0', 0],
  ])('demands a version with vector sets: %s has %d errors', (version, errors) => {
    const issues = checkServer(infoOf({ ...good, redis_version: version }), '', 'single');
    expect(issues.filter(({ severity }) => severity === 'error')).toHaveLength(errors);
  });

  it.each([
    ['allkeys-lru', 1_000_000, 1],
    ['allkeys-lru', 0, 0],
    // Only what may be lost has a time to live, which is what these go by: sessions and the shadow buffer.
    ['volatile-lru', 1_000_000, 0],
    ['noeviction', 1_000_000, 0],
  ])('warns of eviction: %s with maxmemory %d gives %d warnings', (policy, maxmemory, warnings) => {
    const issues = checkServer(infoOf({ ...good, maxmemory_policy: policy, maxmemory }), '', 'single');
    expect(issues).toHaveLength(warnings);
    expect(issues.every(({ text }) => text.includes('noeviction'))).toBe(true);
  });

  it('warns when neither the append-only file nor snapshots are on', () => {
    const volatile = infoOf({ ...good, aof_enabled: 0 });
    expect(checkServer(volatile, '', 'single')).toEqual([
      expect.objectContaining({ severity: 'warn', text: expect.stringContaining('appendonly') as unknown }),
    ]);
    expect(checkServer(volatile, '3600 1', 'single')).toEqual([]);
    // A server that does not say is not accused.
    expect(checkServer(volatile, undefined, 'single')).toEqual([]);
  });

  it('says what a node of a cluster needs that is taken for a server of its own', () => {
    const node = infoOf({ ...good, redis_mode: 'cluster' });
    expect(checkServer(node, '', 'single')).toEqual([
      expect.objectContaining({ severity: 'warn', text: expect.stringContaining('REDIS_TOPOLOGY=cluster') as unknown }),
    ]);
    expect(checkServer(node, '', 'cluster')).toEqual([]);
  });
});

describe(vectorSetProblem.name, () => {
  const infoOfVersion = (version: string): string => infoOf({ ...good, redis_version: version });

  it.each([
    ['an old version', '7.0.15', false],
    ['an old version that does not tell its commands', '7.0.15', undefined],
    ['a fork that calls itself newer', '8.1.0', false],
  ])('says which version was found and what to do: %s', (_, version, knowsVectorSets) => {
    const problem = vectorSetProblem(infoOfVersion(version), knowsVectorSets);

    expect(problem).toContain(`Redis ${version}`);
    expect(problem).toMatch(/Redis 8 or later with vector sets/);
    expect(problem).toMatch(/Upgrade it .* or unset REDIS_URL/);
  });

  it.each([
    ['8.0.2', true],
    ['8.0.2', undefined],
    // A module brings the commands along.
    ['7.4.1', true],
  ])('finds nothing wrong with %s where VADD is known: %s', (version, knowsVectorSets) => {
    expect(vectorSetProblem(infoOfVersion(version), knowsVectorSets)).toBeUndefined();
  });
});
