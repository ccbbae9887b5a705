// Writes what npm itself does, for the tests of the npm walk: node generate.js [picks]. It asks the real registry once, and then
// runs npm against a small copy of it on loopback. npm's own modules are taken from where npm is installed.
//
//   ../semver/testdata/semver.tsv  versions and ranges, and what node-semver says of them
//   picks.json     a packument, and which version npm-pick-manifest takes out of it
//   registry.json  shortened packuments of a tree
//   asked.json     what npm asked for when it installed that tree: packuments and tarballs
const { execFileSync, spawn } = require('child_process')
const fs = require('fs'), http = require('http'), https = require('https'), os = require('os'), path = require('path')
const npm = path.join(execFileSync('npm', ['root', '-g'], { stdio: ['ignore', 'pipe', 'ignore'] }).toString().trim(), 'npm/node_modules')
const pick = require(path.join(npm, 'npm-pick-manifest')), semver = require(path.join(npm, 'semver'))

const project = {
  name: 'tree', version: '1.0.0',
  dependencies: { 'body-parser': '~1.20.0', chalk: '^4.1.0', esbuild: '~0.21.0', 'ms-old': 'npm:ms@~2.0.0', 'react-dom': '^17.0.0' },
  devDependencies: { 'strip-ansi': '6.x', 'react-redux': '^7.2.0' },
}
const fields = ['name', 'version', 'dependencies', 'optionalDependencies', 'peerDependencies', 'peerDependenciesMeta',
  'bundleDependencies', 'os', 'cpu', 'libc', 'engines', 'deprecated', '_hasShrinkwrap']

const real = url => new Promise((ok, bad) => https.get('https://registry.npmjs.org' + url, { headers: { accept: 'application/json' } }, r => {
  const all = []
  r.on('data', d => all.push(d)).on('end', () => ok(Buffer.concat(all)))
}).on('error', bad))

const serve = answer => new Promise(ok => {
  const asked = new Set()
  const server = http.createServer(async (q, s) => {
    const url = decodeURIComponent(q.url)
    if (q.method === 'GET' && !url.startsWith('/-/')) asked.add(url)
    const body = q.method === 'GET' && await answer(q.url, url)
    s.writeHead(body ? 200 : 404, { 'content-type': 'application/json' }).end(body || '{}')
  }).listen(0, '127.0.0.1', () => ok({ asked, server }))
})

const install = (dir, server) => new Promise((ok, bad) => spawn('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier',
  '--no-omit-lockfile-registry-resolved', '--cache=' + path.join(dir, 'cache'), '--registry=http://127.0.0.1:' + server.address().port + '/'],
{ cwd: dir, stdio: 'inherit' }).on('exit', code => code ? bad(new Error('npm failed')) : ok()))

const fresh = () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'tree-'))
  fs.writeFileSync(path.join(dir, 'package.json'), JSON.stringify(project))
  return dir
}

// shorten keeps what npm chose, latest, and a few versions around them, so that there is something to choose from.
const shorten = (doc, chosen) => {
  const all = semver.rsort(Object.keys(doc.versions))
  const keep = new Set([doc['dist-tags'].latest, ...chosen])
  for (const v of [...keep]) {
    const i = all.indexOf(v)
    for (const j of [i - 2, i - 1, i + 1, i + 2]) if (all[j]) keep.add(all[j])
  }
  const versions = {}
  for (const v of Object.keys(doc.versions)) {
    if (!keep.has(v)) continue
    versions[v] = { dist: { tarball: doc.versions[v].dist.tarball, integrity: doc.versions[v].dist.integrity, shasum: doc.versions[v].dist.shasum } }
    for (const f of fields) if (doc.versions[v][f] !== undefined) versions[v][f] = doc.versions[v][f]
  }
  return { name: doc.name, 'dist-tags': { latest: doc['dist-tags'].latest }, versions }
}

const tree = async () => {
  const docs = {}
  let dir = fresh()
  const first = await serve(async (raw, url) => {
    const body = await real(raw)
    if (!url.endsWith('.tgz')) docs[url] = JSON.parse(body)
    return body
  })
  await install(dir, first.server)
  first.server.close()
  const lock = JSON.parse(fs.readFileSync(path.join(dir, 'package-lock.json')))
  const chosen = {}
  for (const [at, p] of Object.entries(lock.packages)) {
    const name = p.name || at.split('node_modules/').pop()
    if (at) (chosen[name] ||= []).push(p.version)
  }
  const registry = {}
  for (const doc of Object.values(docs)) registry['/' + doc.name] = shorten(doc, chosen[doc.name] || [])
  dir = fresh()
  const second = await serve((raw, url) => url.endsWith('.tgz') ? real(raw) : registry[url] && JSON.stringify(registry[url]))
  await install(dir, second.server)
  second.server.close()
  const asked = [...second.asked] // in order
  fs.writeFileSync('registry.json', JSON.stringify(registry, null, 0).replace(/"\/(@|\w)/g, '\n$&') + '\n')
  fs.writeFileSync('asked.json', JSON.stringify({ machine: { os: process.platform, cpu: process.arch }, project,
    packuments: asked.filter(u => !u.endsWith('.tgz')), tarballs: asked.filter(u => u.endsWith('.tgz')) }, null, 1) + '\n')
}

const picks = () => {
  const v = (version, more) => [version, { name: 'p', version, ...more }]
  const doc = {
    name: 'p', 'dist-tags': { latest: '2.1.0', next: '3.0.0-rc.2', gone: '9.9.9' },
    versions: Object.fromEntries([
      v('0.9.0'), v('1.0.0'), v('1.1.0'), v('1.2.0', { deprecated: 'broken' }), v('1.2.1-beta.1'), v('1.2.1-beta.2'),
      v('1.3.0', { engines: { node: '>=99' } }), v('1.4.0', { deprecated: true, engines: { node: '>= 99' } }), v('1.5.0', { deprecated: '' , engines: { node: 'junk' } }),
      v('2.0.0'), v('2.1.0', { engines: { node: '>=18 || 16.x' } }), v('2.2.0'), v('2.2.1', { deprecated: false }), v('3.0.0-rc.1'), v('3.0.0-rc.2'), v('3.0.0-rc.10'),
      v('4.0.0', { deprecated: 'no' }), v('4.1.0', { deprecated: 'no' }),
    ]),
  }
  const specs = ['', '*', 'latest', 'next', 'gone', 'never', '1.x', '^1.0.0', '~1.2.0', '>=1.2.0 <1.3.0', '^1.2.1-beta.1', '>=1.2.1-beta.1 <1.2.1', '2', '^2.0.0', '^2.2.0',
    '>=1', '3.x', '^3.0.0-rc.1', '>=3.0.0-rc.1', '4', '>2.2.0', '1.0.0', '=1.0.0', 'v1.1.0', '5.0.0', '>=5', '0.9 - 1.1', '1.1.0 || 0.9.0', '<1', '^0.9', '>2.1.0 <4',
    'x', '1.3.0', '1.3.x', '1.4.x', '1.5.x', '1.3 - 1.5', '>=2.1.0', '<=2.1', '~1.4.0 || ~1.3.0', '1.2.0 || 1.3.0', '1.2.0 || 1.4.0', '1.3.0 || 1.4.0']
  const cases = []
  for (const node of ['', 'v20.20.2', 'v12.0.0']) {
    for (const tags of ['2.1.0', '1.2.0', '4.1.0', '3.0.0-rc.2']) {
      for (const spec of specs) {
        let got = ''
        try { got = pick({ ...doc, 'dist-tags': { ...doc['dist-tags'], latest: tags } }, spec, { nodeVersion: node || null }).version } catch {}
        cases.push([node, tags, spec, got])
      }
    }
  }
  fs.writeFileSync('picks.json', JSON.stringify({ doc, cases }).replace(/\[\["/, '[\n["').replace(/\],\[/g, '],\n[') + '\n')
}

const ranges = path.join(__dirname, '../semver/testdata')
fs.writeFileSync(path.join(ranges, 'semver.tsv'), execFileSync('node', [path.join(ranges, 'semver.js'), '4000', '11', npm]))
picks()
if (process.argv[2] !== 'picks') tree()
