package e2e_test

import "testing"

// What a client has pushed through Hither is what the tag means to the next one, as it is without Hither.
func TestWhatWasPushedIsPulled(t *testing.T) {
	w := newWorld(t)
	o := w.ociWorld()
	w.ociRule(o)
	h := w.hither()
	h.pull(o, "proxy", "before")
	o.image = w.ociImage("pushed", len(o.image.layers)+1)
	w.shell(w.dir, w.clientEnv("push-again", proxied(h.addr, h.Trust())...), "skopeo", "--insecure-policy", "copy", "--quiet",
		"--dest-creds", "world:world", "oci:"+o.image.dir+":latest", "docker://docker.io/library/alpine:latest")
	h.pull(o, "proxy", "after")
}
