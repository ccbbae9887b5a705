package forward_test

// The rules of the world. ORIGIN is where its one origin listens.
const (
	regFile = `
name    = "reg"
home    = "https://world.test"
gateway = "/reg"
[[host]]
name   = "registry.world.test"
origin = ["ORIGIN"]
[[path]]
match = "/forever/{x...}"
keep  = "forever"
[[path]]
match = "/minute/{x}/tag/{tag}"
changes = ["/minute/{x}"]
[[path]]
match = "/minute/{x...}"
keep  = "1m"
[[path]]
match  = "/ping"
keep   = "never"
answer = ["always"]
[[path]]
match   = "/never/{x}/uploads/{id}"
keep    = "never"
subject = "{x}"
[[path]]
match = "/never/{x...}"
keep  = "never"
`
	otherFile = `
name = "other"
home = "https://world.test"
[[host]]
name   = "other.world.test"
origin = ["ORIGIN"]
[[path]]
match = "/forever/{x...}"
keep  = "forever"
`
	ociFile = `
name    = "oci"
home    = "https://world.test"
gateway = "/v2"
ns      = ["docker.io"]
auth    = "bearer"
[[host]]
name   = "oci.world.test"
origin = ["ORIGIN"]
[[path]]
match  = "/v2/"
keep   = "never"
answer = ["gateway", "offline"]
[[path]]
match   = "/v2/{repo...}/blobs/{digest:digest}"
keep    = "forever"
subject = "{repo}"
[[path]]
match   = "/v2/{repo...}/manifests/{tag}"
keep    = "30s"
subject = "{repo}"
accept  = ["application/vnd.oci.image.manifest.v1+json"]
[[path]]
match = "/v2/{rest...}"
keep  = "never"
`
)
