import { problemsOf } from '../../test/support/settings-problems.js';
import { streamSettings } from './stream.settings.js';

describe('The settings of the stream', () => {
  it('tell one process of a machine from another', () => {
    expect(streamSettings({ PORT: '1234' }).consumer).toMatch(/-1234$/);
    expect(streamSettings({ STREAM_CONSUMER: 'a' }).consumer).toBe('a');
  });

  it('find a key by which no other can be placed on a cluster', () => {
    const cluster = { REDIS_URL: 'redis://one', REDIS_TOPOLOGY: 'cluster' };
    expect(problemsOf(streamSettings, { ...cluster, STREAM_KEY: 'a}b' })).toContain('  STREAM_KEY: has a }');
    expect(streamSettings({ ...cluster, STREAM_KEY: '{a}b' }).key).toBe('{a}b');
    expect(streamSettings({ STREAM_KEY: 'a}b' }).key).toBe('a}b');
  });
});
