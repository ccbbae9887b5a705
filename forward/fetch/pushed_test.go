package fetch_test

import (
	"testing"
	"testing/synctest"
)

// Who pushes an image asks by HEAD which layers the repository has, leaves those out, and pulls what was pushed a moment later.
func TestWhatIsAskedAfterForAPushIsWhatTheRegistryHas(t *testing.T) {
	for _, c := range []struct {
		name string
		came []string // the repositories from which the layer came before
		lost bool     // and the registry has lost it since
		dead bool     // or does not answer
		want string
		then string // what a pull gets after the push
	}{
		{name: "nobody has it", want: "404  from reg (negative) after [HEAD reg]", then: "layer from reg (miss) after [reg]"},
		{name: "another repository has it", came: []string{"other"}, want: "404  from reg (negative) after [HEAD reg]", then: "layer from  (hit) after []"},
		{name: "it is there", came: []string{"mine"}, want: "layer from reg (hit) after [HEAD reg]", then: "layer from reg (hit) after []"},
		{name: "it was there", came: []string{"mine"}, lost: true, want: "404  from reg (negative) after [HEAD reg]", then: "layer from reg (hit) after []"},
		{name: "the registry is away", came: []string{"mine"}, dead: true, want: "layer from reg (hit) after [HEAD reg]", then: "layer from reg (hit) after []"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				reg, digest := w.hosts["reg"], string(sum([]byte("layer")))
				mine := "/v2/mine/blobs/" + digest
				for _, repo := range c.came {
					reg.files["/v2/"+repo+"/blobs/"+digest] = []byte("layer")
					w.get("/v2/" + repo + "/blobs/" + digest)
				}
				if c.lost {
					delete(reg.files, mine)
				}
				reg.dead = c.dead
				head := w.request(mine)
				head.Head = true
				expect(t, w.ask(head), c.want)
				reg.files[mine] = []byte("layer")
				expect(t, w.get(mine), c.then)
			})
		})
	}
}
