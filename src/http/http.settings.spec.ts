import { problemsOf } from '../../test/support/settings-problems.js';
import { httpSettings } from './http.settings.js';

describe('The settings of HTTP', () => {
  it('read lists separated by commas', () => {
    const environment = { ALLOWED_HOSTS: 'brain, brain.example.org', CORS_ORIGINS: 'https://a.org,http://b.org:8080' };
    expect(httpSettings(environment)).toMatchObject({
      allowedHosts: ['brain', 'brain.example.org'],
      corsOrigins: ['https://a.org', 'http://b.org:8080'],
    });
    expect(httpSettings({})).toMatchObject({ allowedHosts: [], corsOrigins: [] });
  });

  it.each(['*', 'null', 'a.org', 'https://a.org/', 'https://a.org/path', 'https://A.org', 'ftp://a.org'])(
    'take %s for no origin',
    (origin) => {
      const environment = { CORS_ORIGINS: `https://b.org,${origin}` };
      expect(problemsOf(httpSettings, environment)).toContain('  CORS_ORIGINS: must list origins');
    },
  );
});
