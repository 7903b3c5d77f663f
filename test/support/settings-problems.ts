import { SettingsError } from '../../src/config/index.js';

/** What `read` says of an environment that it must not accept. */
export function problemsOf(read: (environment: NodeJS.ProcessEnv) => object, environment: NodeJS.ProcessEnv): string {
  try {
    read(environment);
  } catch (error) {
    if (error instanceof SettingsError) return error.message;
    throw error;
  }
  throw new Error('the settings were accepted');
}
