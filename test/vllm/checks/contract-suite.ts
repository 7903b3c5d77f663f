import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Check, CheckContext, CheckResult } from '../check.js';

const LIMIT_MS = 900_000;
const SUITE = 'test/contract/vllm-protocol/vllm-protocol.spec.ts';
const JEST = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];

interface JestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** The suite that the local Vorpal passes, on the real server. */
export const contractSuite: Check = {
  name: 'contract',
  promise: 'the real server passes the contract suite that the local Vorpal passes',

  async run({ url, signal }: CheckContext): Promise<CheckResult> {
    const folder = await mkdtemp(join(tmpdir(), 'vllm-contract-'));
    try {
      const outputFile = join(folder, 'report.json');
      // The suite's tests of the server at VORPAL_TEST_URL begin with its address.
      const args = [
        ...JEST,
        '--maxWorkers=1',
        '--verbose=false',
        '--json',
        `--outputFile=${outputFile}`,
        '-t',
        `^${url} `,
        SUITE,
      ];
      const child = spawn(process.execPath, args, {
        env: { ...process.env, VORPAL_TEST_URL: url },
        stdio: ['ignore', 'ignore', 'inherit'],
        signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]),
      });
      await once(child, 'close');
      return judge(JSON.parse(await readFile(outputFile, 'utf8')) as JestReport);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

function judge({ numPassedTests, numFailedTests, testResults }: JestReport): CheckResult {
  const failed = testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed').map(({ fullName }) => `  failed: ${fullName}`),
  );
  const counts = `${numPassedTests} of ${numPassedTests + numFailedTests} tests passed`;
  return { held: numFailedTests === 0 && numPassedTests > 0, report: [counts, ...failed].join('\n') };
}
