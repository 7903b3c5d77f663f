import { fileURLToPath } from 'node:url';
import { LocalVorpalMissingError } from '../vorpal.errors.js';

/**
 * The file of the local Vorpal's program, which is a package of its own; images of the brain alone do not have it.
 * @throws LocalVorpalMissingError where it is not installed
 * @throws SettingsError where it could not start with this environment
 */
export async function findLocalVorpal(environment: NodeJS.ProcessEnv): Promise<string> {
  const program = locate();
  // A child that ends because of a wrong setting would be started again and again.
  const { readSettings } = await import('@archive-brain/local-vorpal/settings');
  readSettings(environment);
  return program;
}

function locate(): string {
  try {
    return fileURLToPath(import.meta.resolve('@archive-brain/local-vorpal'));
  } catch (error) {
    throw new LocalVorpalMissingError({ cause: error });
  }
}
