import { isTransientReply } from './transient-replies.js';

describe(isTransientReply.name, () => {
  it.each([
    'LOADING Redis is loading the dataset in memory',
    'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
    "READONLY You can't write against a read only replica. script: 5a, on @user_script:4.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'CLUSTERDOWN Hash slot not served',
    'TRYAGAIN Multiple keys request during rehashing of slot',
    'MOVED 3999 127.0.0.1:6381',
    'ASK 3999 127.0.0.1:6381',
    "OOM command not allowed when used memory > 'maxmemory'.",
    'MISCONF Errors writing to the AOF file: No space left on device',
    'NOREPLICAS Not enough good replicas to write.',
    'NOAUTH Authentication required.',
    'WRONGPASS invalid username-password pair or user is disabled.',
    "NOPERM User brain has no permissions to run the 'vadd' command",
    'DENIED Redis is running in protected mode',
    'UNBLOCKED the stream key no longer exists',
    'NOGROUP No such key',
    'ERR max number of clients reached',
    "ERR ACL failure in script: User brain has no permissions to run the 'vadd' command script: 5a, on @user_script:4.",
    "ERR unknown command 'VADD', with args beginning with: ",
    'ERR Unknown Redis command called from script script: 5a',
  ])('waits for %s', (text) => {
    expect(isTransientReply(text)).toBe(true);
  });

  it.each([
    'WRONGTYPE Operation against a key holding the wrong kind of value',
    'ERR Vector dimension mismatch - got 2 but set has 4',
    "CROSSSLOT Keys in request don't hash to the same slot",
    'ERR hash value is not an integer',
    'ERR user_script:7: attempt to compare nil with number script: 5a, on @user_script:7.',
    'READONLYISH a code that only begins like one',
  ])('blames the data for %s', (text) => {
    expect(isTransientReply(text)).toBe(false);
  });
});
