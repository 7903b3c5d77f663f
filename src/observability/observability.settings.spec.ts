import { observabilitySettings } from './observability.settings.js';

describe('The settings of logs', () => {
  it('say JSON in production unless told otherwise', () => {
    expect(observabilitySettings({ NODE_ENV: 'production' }).logs.format).toBe('json');
    expect(observabilitySettings({ NODE_ENV: 'production', LOG_FORMAT: 'text' }).logs.format).toBe('text');
  });
});
