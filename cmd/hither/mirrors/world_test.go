package mirrors

import "time"

const ms = time.Millisecond

// registry is a rule file for a registry and two mirrors.
const registry = `
name    = "reg"
gateway = "/reg"
[[host]]
name = "reg.test"
[[mirror]]
url = "https://near.test"
[[mirror]]
url = "https://far.test"
[[path]]
match  = "/blob/{digest:digest}"
keep   = "forever"
from   = "any"
notary = "path"
[[path]]
match   = "/list/{name}"
keep    = "1m"
from    = "any"
why     = "a test says so"
subject = "{name}"
[[path]]
match = "/never/{name}"
keep  = "never"
`
