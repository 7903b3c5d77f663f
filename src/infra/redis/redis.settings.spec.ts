import { problemsOf } from '../../../test/support/settings-problems.js';
import { redisSettings } from './redis.settings.js';

describe('The settings of Redis', () => {
  it('name no server where everything is in a file', () => {
    expect(redisSettings({}).server).toBeUndefined();
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
  ])('give the hosts of REDIS_URL the port of what they are: %s', (topology, url, hosts) => {
    expect(redisSettings({ REDIS_URL: url, REDIS_TOPOLOGY: topology }).server).toMatchObject({ topology, hosts });
  });

  it.each([
    ['REDIS_TOPOLOGY: needs REDIS_URL', { REDIS_TOPOLOGY: 'cluster' }],
    ['REDIS_URL: names several hosts; set REDIS_TOPOLOGY=cluster', { REDIS_URL: 'redis://one,two' }],
    ['REDIS_URL: names a database', { REDIS_URL: 'redis://one/2', REDIS_TOPOLOGY: 'cluster' }],
    ['REDIS_KEY_PREFIX: has braces', { REDIS_URL: 'redis://one', REDIS_TOPOLOGY: 'cluster', REDIS_KEY_PREFIX: '{a}' }],
  ])('find what does not go together: %s', (problem, environment) => {
    expect(problemsOf(redisSettings, environment)).toContain(`  ${problem}`);
  });
});
