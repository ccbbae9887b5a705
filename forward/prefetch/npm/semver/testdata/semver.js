// Pairs of versions and ranges, as node-semver sees them. generate.js runs it.
const semver = require(process.argv[4] + '/semver')
const [count, seed] = process.argv.slice(2).map(Number)
let state = seed || 1
const rand = n => { state = (Math.imul(state, 1103515245) + 12345) >>> 0; return Math.floor(state / 4294967296 * n) }
const of = list => list[rand(list.length)]
const num = () => of(['0', '0', '1', '1', '2', '3', '10', '01', '9007199254740991', '9007199254740992'].slice(0, rand(20) ? 7 : 10))
const id = () => of(['alpha', 'beta', 'rc', '0', '1', '2', '10', '01', 'x', '1a', '-', 'rc-1', 'a-', 'Z'])
const pre = () => { let s = id(); while (!rand(3)) s += '.' + id(); return s }
const version = () => {
  let s = of(['', '', '', '', 'v', '=', 'v=', ' ']) + [num(), num(), num()].join('.')
  if (!rand(3)) s += of(['-', '-', '-', '-', '']) + pre()
  if (!rand(9)) s += '+' + of(['b', 'b.1', '1-2', '.', ''])
  return s
}
const part = () => rand(6) ? num() : of(['x', 'X', '*'])
const partial = () => {
  let s = of(['', '', '', '', '', 'v', '=', ' ']) + part()
  if (rand(5)) s += '.' + part()
  else return s
  if (rand(4)) s += '.' + part()
  else return s
  if (!rand(4)) s += of(['-', '-', '-', '-', '']) + pre()
  if (!rand(12)) s += '+' + of(['b', 'b.1', '1-2'])
  return s
}
const comp = () => rand(40) ? of(['', '', '^', '^', '~', '~>', '>', '>=', '<', '<=', '=', '> ', '>= ', '~ ', '^ ', '< ']) + partial() : of(['latest', 'a', '', '*', 'x', '1.2.3.4', '>=', '^', '||', '-'])
const set = () => {
  if (!rand(6)) return partial() + of([' - ', ' - ', ' -  ', '-', ' -']) + partial()
  let s = comp()
  while (!rand(3)) s += of([' ', ' ', '  ', ', ', ',', '']) + comp()
  return s
}
const range = () => { let s = set(); while (!rand(3)) s += of(['||', ' || ', '|| ', ' ||', '|']) + set(); return s }
const near = r => { // a version out of the range's own numbers
  const m = r.match(/\d+/g) || ['1']
  const n = () => rand(4) ? of(m) : num()
  let s = [n(), n(), n()].join('.')
  if (!rand(2)) s += '-' + (rand(2) && (r.match(/-([a-zA-Z0-9.-]+)/) || [])[1] || pre())
  return s
}
const valid = (r, loose) => { try { return semver.validRange(r, loose) !== null } catch { return false } }
// A few things that no package has are read otherwise by us, see semver.go: versions of four parts, operators in a row, a * within a word.
const absurd = s => /[0-9a-zA-Z][*]|[*][0-9a-zA-Z]|-v?[*]/.test(s) || /[.][\dxX*]+[.]\d\d+[.][0-9a-zA-Z-]/.test(s) || /[<>=~^v] *[=v~^<>]|- +=|= *[^|]* -/.test(s)
for (let i = 0; i < count; i++) {
  const r = range(), loose = rand(4) > 0
  const v = rand(5) ? near(r) : version()
  if (absurd(r) || absurd(v)) continue
  console.log([v, r, loose, semver.valid(v, loose) !== null, valid(r, loose), semver.satisfies(v, r, loose)].join('\t'))
}
