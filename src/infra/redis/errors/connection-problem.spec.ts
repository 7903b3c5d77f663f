import { connectionProblem } from './connection-problem.js';

describe(connectionProblem.name, () => {
  it.each([
    ['self-signed certificate in certificate chain', /NODE_EXTRA_CA_CERTS/],
    ['unable to verify the first certificate', /NODE_EXTRA_CA_CERTS/],
    ["Hostname/IP does not match certificate's altnames: IP: 10.0.0.1 is not in the cert's list", /another name/],
    ['ERR This instance has cluster support disabled', /REDIS_TOPOLOGY=single/],
    ["ERR unknown command 'sentinel', with args beginning with: ", /not a Sentinel/],
    ['connected to sentinel 10.0.0.1:26379 successfully, but got an invalid reply: null', /REDIS_SENTINEL_MASTER/],
  ])('says what to do about: %s', (text, advice) => {
    expect(connectionProblem(new Error(text))).toMatch(advice);
  });

  it('leaves alone what speaks for itself', () => {
    expect(connectionProblem(new Error('connect ECONNREFUSED 127.0.0.1:6379'))).toBe(
      'connect ECONNREFUSED 127.0.0.1:6379',
    );
  });
});
