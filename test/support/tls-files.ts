import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describeError } from '../../src/shared/index.js';

const execute = promisify(execFile);
const OPENSSL_TIMEOUT_MS = 30_000;
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** A certificate for 127.0.0.1 and localhost, and the authority of the tests' own that has signed it. */
export interface TlsFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly authorityFile: string;
  /** The content of {@link authorityFile}. */
  readonly authority: string;
  remove(): Promise<void>;
}

/** @throws Error that says what to do where there is no openssl */
export async function makeTlsFiles(): Promise<TlsFiles> {
  const directory = await mkdtemp(join(tmpdir(), 'tls-'));
  const at = (name: string): string => join(directory, name);
  try {
    await writeFile(at('names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
    const authority = ['-keyout', at('authority.key'), '-out', at('authority.pem'), '-subj', '/CN=Tests', '-days', '2'];
    await openssl('req', '-x509', ...KEY, ...authority);
    await openssl('req', ...KEY, '-keyout', at('server.key'), '-out', at('server.csr'), '-subj', '/CN=localhost');
    const signer = ['-CA', at('authority.pem'), '-CAkey', at('authority.key'), '-CAcreateserial', '-days', '2'];
    await openssl(
      'x509',
      '-req',
      '-in',
      at('server.csr'),
      ...signer,
      '-extfile',
      at('names'),
      '-out',
      at('server.pem'),
    );
    return {
      certificateFile: at('server.pem'),
      keyFile: at('server.key'),
      authorityFile: at('authority.pem'),
      authority: await readFile(at('authority.pem'), 'utf8'),
      remove: () => rm(directory, { recursive: true, force: true }),
    };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function openssl(...args: string[]): Promise<void> {
  try {
    await execute('openssl', args, { timeout: OPENSSL_TIMEOUT_MS });
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const what = isMissing
      ? 'it is not on the path; install it (Debian: apt-get install openssl)'
      : describeError(error);
    throw new Error(`The tests of TLS make their certificates with openssl: ${what}.`, { cause: error });
  }
}
