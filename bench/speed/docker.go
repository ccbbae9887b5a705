//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"hither/bench/lab"
)

// dockerSocket is where dockerd takes commands, in the client's home.
const dockerSocket = "docker.sock"

// dockerPull is `docker pull` of an image of Docker Hub's, by a dockerd that has nothing yet: three layers at once.
func dockerPull(name, id string) client {
	return client{
		name: "docker pull " + name,
		argv: []string{"docker", "--host", "unix://{home}/" + dockerSocket, "pull", "--quiet", name},
		daemon: func(ctx context.Context, w *world, how way, home string) (*daemon, error) {
			e, err := w.startEngine(ctx, how, home)
			if err != nil {
				return nil, err
			}
			return &daemon{e.peer, func(ctx context.Context) error { return e.verify(ctx, name, id) }}, nil
		},
	}
}

// engine is a dockerd with an empty store, for one run of a client.
type engine struct {
	*peer
	api *http.Client
}

// ownPlace gives a program a view of the machine in which it can neither see nor change what a Docker of the user's has: $1 is
// laid over /etc, and has the names of the client's namespace in it; in /run there is no containerd to be found, and /opt is
// for what containerd makes there. The mounts are nobody else's and end with the program. (`ip netns exec` mounts the names,
// too, but also a /sys without cgroups, and there dockerd does not start.)
const ownPlace = `mount -t overlay -o "lowerdir=/etc,upperdir=$1,workdir=$2" overlay /etc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /opt
shift 2
exec "$@"`

// startEngine starts dockerd in the client's namespace, with all that it writes in home. It goes direct, or is told of Hither
// as the README tells its users to.
func (w *world) startEngine(ctx context.Context, how way, home string) (*engine, error) {
	for _, program := range []string{"dockerd", "docker"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%w: install docker.io, as bench/peers does", err)
		}
	}
	etc, scratch := filepath.Join(home, "etc"), filepath.Join(home, "scratch")
	if err := w.writeEtc(etc, how); err != nil {
		return nil, err
	}
	if err := os.Mkdir(scratch, 0o755); err != nil {
		return nil, err
	}
	command := exec.Command("nsenter", "--net="+filepath.Join("/run/netns", lab.Client),
		"unshare", "--mount", "--propagation", "slave", "sh", "-ec", ownPlace, "sh", etc, scratch,
		"dockerd", "--data-root", filepath.Join(home, "data"), "--exec-root", filepath.Join(home, "exec"), "--pidfile", filepath.Join(home, "docker.pid"),
		"--host", "unix://"+filepath.Join(home, dockerSocket), "--group", "root", "--storage-driver", "overlay2",
		"--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false")
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "SSL_CERT_FILE=" + w.CA.File}
	e := &engine{api: overSocket(filepath.Join(home, dockerSocket))}
	p, err := launch(ctx, "dockerd", command, func() error { return e.ask(ctx, "/_ping", nil) })
	e.peer = p
	return e, err
}

// writeEtc makes what of /etc is to be dockerd's own.
func (w *world) writeEtc(dir string, how way) error {
	settings := map[string]any{}
	switch how {
	case direct:
	case level1, warm:
		settings["registry-mirrors"] = []string{"http://" + lab.ProxyAddr}
	default:
		return fmt.Errorf("dockerd does not know the way %s", how)
	}
	if err := os.MkdirAll(filepath.Join(dir, "docker"), 0o755); err != nil {
		return err
	}
	hosts := localHosts
	if how == direct {
		hosts = hostsFile(w.Links)
	}
	return put(dir, map[string][]byte{"hosts": []byte(hosts), "resolv.conf": nil, "docker/daemon.json": asJSON(settings)})
}

// overSocket is a client of the server at a Unix socket.
func overSocket(path string) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
}

// ask asks dockerd for something, and reads its JSON unless into is nil.
func (e *engine) ask(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker"+path, nil)
	if err != nil {
		return err
	}
	resp, err := e.api.Do(request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // it only explains
		return fmt.Errorf("dockerd says %s: %s", resp.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// verify says whether dockerd has the image, and had it the way it was told to: a mirror that fails is passed over in silence,
// and the figure would be of something else. It stops dockerd.
func (e *engine) verify(ctx context.Context, name, id string) error {
	var image struct{ ID string }
	if err := e.ask(ctx, "/images/"+name+":latest/json", &image); err != nil {
		return err
	}
	if image.ID != id {
		return fmt.Errorf("dockerd has the image %s instead of %s", image.ID, id)
	}
	e.stop()
	return passedOver(e.said.Bytes())
}

// passedOver is the line of dockerd's log that tells of a mirror or registry that failed; nil: none did.
func passedOver(log []byte) error {
	for line := range bytes.Lines(log) {
		if bytes.Contains(line, []byte("Attempting next endpoint")) {
			return errors.New("dockerd left the way it was told to go: " + string(bytes.TrimSpace(line)))
		}
	}
	return nil
}
