import { SettingsError } from './config/index.js';
import { httpSettings } from './http/index.js';
import { lifecycleSettings } from './infra/lifecycle/index.js';
import { readSettings, rooms } from './settings.js';
import { streamSettings } from './stream/index.js';
import { vorpalSettings } from './vorpal/index.js';
import { problemsOf } from '../test/support/settings-problems.js';

const problems = (environment: NodeJS.ProcessEnv): string => problemsOf(readSettings, environment);

describe(readSettings.name, () => {
  it('needs nothing to be set', () => {
    const settings = readSettings({});
    expect(settings.of(lifecycleSettings)).toMatchObject({ host: '127.0.0.1', port: 8080 });
    expect(settings.of(streamSettings)).toMatchObject({ key: 'session:input_stream', group: 'memory-workers' });
    expect(settings.of(vorpalSettings).url).toBeUndefined();
  });

  it('lists everything that is wrong in any room at once', () => {
    const found = problems({ PORT: 'eighty', VORPAL_URL: 'ftp://x', ASYNC_MEMORY: 'perhaps', REDIS_URL: 'localhost' });
    expect(found).toMatch(/^4 settings are wrong/);
    for (const name of ['PORT', 'VORPAL_URL', 'ASYNC_MEMORY', 'REDIS_URL']) expect(found).toContain(`  ${name}: `);
  });

  it('does not print the values, which may be secrets', () => {
    expect(problems({ REDIS_URL: 'http://user:hunter2@example.org' })).not.toContain('hunter2');
  });

  it('takes an empty value for one that is not set', () => {
    expect(readSettings({ PORT: '', VORPAL_URL: '' }).of(lifecycleSettings).port).toBe(8080);
  });

  it('gives a room what it reads for itself', () => {
    const environment = { PORT: '1234', STREAM_KEY: 'k' };
    expect(readSettings(environment).of(streamSettings)).toEqual(streamSettings(environment));
    expect(() => streamSettings({ STREAM_MAX_ATTEMPTS: 'x' })).toThrow(SettingsError);
  });

  it('has each variable in one room, and gives it one meaning wherever it is read', () => {
    const owners = new Map<string, unknown>();
    for (const { room, variables } of rooms) {
      for (const [name, schema] of Object.entries(variables)) {
        expect([room, name, owners.has(name)]).toEqual([room, name, false]);
        owners.set(name, schema);
      }
    }
    for (const { room, needs } of rooms) {
      for (const [name, schema] of Object.entries(needs)) {
        expect([room, name, owners.get(name) === schema]).toEqual([room, name, true]);
      }
    }
  });

  it('cannot be changed afterwards', () => {
    const settings = readSettings({}).of(httpSettings);
    expect(() => {
      (settings as { maxConnections: number }).maxConnections = 1;
    }).toThrow(TypeError);
  });
});
