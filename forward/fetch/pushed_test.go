package fetch_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"hither/rules"
)

// Who pushes an image asks by HEAD which layers the repository has, leaves those out, and pulls what was pushed a moment later.
func TestWhatIsAskedAfterForAPushIsWhatTheRegistryHas(t *testing.T) {
	for _, c := range []struct {
		name string
		came []string // the repositories from which the layer came before
		lost bool     // and the registry has lost it since
		dead bool     // or does not answer
		says int      // its answer to us, who show no token; 0: whether it has it
		want string
		then string // what a pull gets after the push
	}{
		{name: "nobody has it", want: "404  from reg (negative) after [HEAD reg]", then: "layer from reg (miss) after [reg]"},
		{name: "another repository has it", came: []string{"other"}, want: "404  from reg (negative) after [HEAD reg]", then: "layer from  (hit) after []"},
		{name: "it is there", came: []string{"mine"}, want: "layer from reg (hit) after [HEAD reg]", then: "layer from reg (hit) after []"},
		{name: "it was there", came: []string{"mine"}, lost: true, want: "404  from reg (negative) after [HEAD reg]", then: "layer from reg (hit) after []"},
		{name: "the registry is away", came: []string{"mine"}, dead: true, want: "layer from reg (hit) after [HEAD reg]", then: "layer from reg (hit) after []"},
		{name: "the registry is in trouble", came: []string{"mine"}, says: 503, want: "layer from reg (hit) after [HEAD reg]", then: "layer from reg (hit) after []"},
		{name: "nobody has it, and the registry wants a login", says: 401, want: "pass after [HEAD reg]", then: "layer from reg (miss) after [reg]"},
		{name: "another repository has it, and it wants a login", came: []string{"other"}, says: 401, want: "pass after [HEAD reg]", then: "layer from  (hit) after []"},
		{name: "another repository has it, and our token opens nothing", came: []string{"other"}, says: 403, want: "pass after [HEAD reg]", then: "layer from  (hit) after []"},
		{name: "another repository has it, and the registry is in trouble", came: []string{"other"}, says: 503, want: "pass after [HEAD reg]", then: "layer from  (hit) after []"},
		{name: "another repository has it, and the registry is away", came: []string{"other"}, dead: true, want: "pass after [HEAD reg]", then: "layer from  (hit) after []"},
		{name: "it was there, and the repository is gone", came: []string{"mine"}, says: 401, want: "pass after [HEAD reg]", then: "layer from reg (hit) after []"},
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
				reg.dead, reg.status = c.dead, c.says
				head := w.request(mine)
				head.Head = true
				expect(t, w.ask(head), c.want)
				reg.status = 0
				reg.files[mine] = []byte("layer")
				expect(t, w.get(mine), c.then)
			})
		})
	}
}

// Who pushes asks after each layer without a token first (BuildKit, containerd, regctl), dozens at once: what the registry said of
// one counts for the image.
func TestLayersOfARepositoryThatWantsALoginAreAskedAfterOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		reg := w.hosts["reg"]
		reg.files["/v2/mine/blobs/"+string(sum([]byte("kept")))] = []byte("kept")
		w.get("/v2/mine/blobs/" + string(sum([]byte("kept"))))
		after := func(repo, layer string) string {
			head := w.request("/v2/" + repo + "/blobs/" + string(sum([]byte(layer))))
			head.Head = true
			return w.ask(head)
		}
		reg.status = http.StatusUnauthorized
		expect(t, after("mine", "one"), "pass after [HEAD reg]")
		expect(t, after("mine", "two"), "pass after []")
		expect(t, after("mine", "kept"), "pass after []")
		expect(t, after("other", "two"), "pass after [HEAD reg]")
		time.Sleep(time.Minute)
		expect(t, after("mine", "two"), "pass after [HEAD reg]")
	})
}

// Who pushes an image again asks first whether the registry has its manifest, and if so, pushes nothing of it. A pull through a
// gateway asks the same, and has nothing to push.
func TestAManifestIsWhereTheRegistrySaysItIs(t *testing.T) {
	for _, c := range []struct {
		name    string
		lost    bool // the registry has lost it since it came
		dead    bool // or does not answer
		says    int  // or something else; 0: it does not
		gateway bool
		want    string
	}{
		{name: "it is there", want: "a manifest from reg (hit) after [HEAD reg]"},
		{name: "it was there", lost: true, want: "404  from reg (negative) after [HEAD reg]"},
		{name: "the registry is away", dead: true, want: "a manifest from reg (hit) after [HEAD reg]"},
		{name: "the registry says nothing of it", says: 429, want: "a manifest from reg (hit) after [HEAD reg]"},
		{name: "the registry wants a login", says: 401, want: "pass after [HEAD reg]"},
		{name: "the registry serves nobody here", says: 403, want: "a manifest from reg (hit) after [HEAD reg]"},
		{name: "by a gateway", lost: true, gateway: true, want: "a manifest from reg (hit) after []"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				reg, path := w.hosts["reg"], "/manifest/"+string(sum([]byte("a manifest")))
				reg.files[path] = []byte("a manifest")
				w.get(path)
				if c.lost {
					delete(reg.files, path)
				}
				reg.dead = c.dead
				reg.status = c.says
				head := w.request(path)
				head.Head, head.Gateway = true, c.gateway
				expect(t, w.ask(head), c.want)
			})
		})
	}
}

// What is kept need not wait for a registry that has just been silent: each image of a compose file would.
func TestWhetherWhatIsKeptIsThereIsNotWaitedForAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		reg, path := w.hosts["reg"], "/manifest/"+string(sum([]byte("a manifest")))
		reg.files[path] = []byte("a manifest")
		w.get(path)
		head := w.request(path)
		head.Head = true
		ask := func(want time.Duration) {
			t.Helper()
			began := time.Now()
			w.ask(head)
			if got := time.Since(began).Round(time.Second); got != want {
				t.Errorf("a HEAD of what is kept\n got %v\nwant %v", got, want)
			}
		}
		reg.lag = time.Hour
		ask(6 * time.Second)
		ask(6 * time.Second)
		ask(0)
		ask(0)
		reg.lag = 0
		delete(reg.files, path)
		time.Sleep(time.Minute)
		expect(t, w.ask(head), "404  from reg (negative) after [HEAD reg]")
	})
}

// The store that a registry keeps its layers in may be out of reach where the registry is not: it says itself what a tag means.
func TestAStoreThatIsSilentLetsNoQuorumSpeakForTheRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		reg, layer := w.hosts["reg"], "/bulk/"+string(sum([]byte("a layer")))
		reg.files[layer] = []byte("a layer")
		w.put("/tag/latest", []byte("v1"))
		w.get(layer)
		head := w.request(layer)
		head.Head = true
		reg.lag = time.Hour // where it redirects to
		for range 3 {
			w.ask(head)
		}
		reg.lag = 0
		tag := w.request("/tag/latest").Match
		path := *tag.Path
		path.From, tag.Path = rules.FromQuorum, &path
		if _, status, err := w.Head(t.Context(), tag); err != nil || status != http.StatusOK {
			t.Errorf("got  %d, %v\nwant %d", status, err, http.StatusOK)
		}
	})
}
