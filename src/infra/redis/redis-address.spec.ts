import { readRedisAddress } from './redis-address.js';

describe(readRedisAddress.name, () => {
  const plain = { isTls: false, username: undefined, password: undefined, database: 0 };

  it.each([
    ['redis://localhost', { ...plain, hosts: [{ host: 'localhost' }] }],
    ['redis://localhost:6380/3', { ...plain, hosts: [{ host: 'localhost', port: 6380 }], database: 3 }],
    ['rediss://cache.example/', { ...plain, isTls: true, hosts: [{ host: 'cache.example' }] }],
    ['redis://[::1]:7000', { ...plain, hosts: [{ host: '::1', port: 7000 }] }],
    ['redis://a,b:2,[fe80::1]', { ...plain, hosts: [{ host: 'a' }, { host: 'b', port: 2 }, { host: 'fe80::1' }] }],
    ['redis://ada:pw@h', { ...plain, hosts: [{ host: 'h' }], username: 'ada', password: 'pw' }],
    ['redis://:pw@h', { ...plain, hosts: [{ host: 'h' }], password: 'pw' }],
    ['redis://ada@h', { ...plain, hosts: [{ host: 'h' }], username: 'ada', password: '' }],
    ['redis://a%40b:p%3Aw%2F%25@h', { ...plain, hosts: [{ host: 'h' }], username: 'a@b', password: 'p:w/%' }],
    ['redis://ada:p@ss:word@h', { ...plain, hosts: [{ host: 'h' }], username: 'ada', password: 'p@ss:word' }],
  ])('reads %s', (url, expected) => {
    expect(readRedisAddress(url)).toMatchObject(expected);
  });

  it('keeps hosts and ports as they are written, for logs, without user and password', () => {
    expect(readRedisAddress('rediss://ada:secret@one:1,[::1]/2')).toMatchObject({ authority: 'one:1,[::1]' });
  });

  it.each([
    ['http://host', /redis:\/\/ or rediss:\/\//],
    ['localhost:6379', /redis:\/\/ or rediss:\/\//],
    ['redis://', /name a host/],
    ['redis://one,,two', /name a host/],
    ['redis://one:port', /name a host/],
    ['redis://one:70000', /name a host/],
    ['redis://::1', /name a host/],
    ['redis://host/zero', /number of a database/],
    ['redis://host?db=2', /number of a database/],
    ['redis://ada:100%@host', /write %25/],
  ])('says what is wrong with %s', (url, problem) => {
    expect(readRedisAddress(url)).toEqual({ problem: expect.stringMatching(problem) as unknown });
  });
});
