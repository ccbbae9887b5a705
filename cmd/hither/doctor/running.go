package doctor

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"time"

	"hither/cmd/hither/port"
)

// running asks whether Hither runs and answers where it says.
type running struct{}

// Name implements Check.
func (running) Name() string { return "daemon" }

// answerWait is how long a healthy Hither may take for a page of its own.
const answerWait = 3 * time.Second

// Run implements Check.
func (c running) Run(ctx context.Context, p *Patient) []Finding {
	d := p.Daemon
	switch {
	case errors.Is(d.Err, fs.ErrPermission):
		return []Finding{fail("Hither cannot be asked, for "+p.State+" is another user's", "Ask as that user, or name a directory of your own with `--state`.")}
	case d.Err != nil:
		return []Finding{fail("Hither holds its state directory and does not answer: "+d.Err.Error(), "End it and start it again: "+p.again()+".")}
	case !d.Running && p.Wrong != nil:
		return []Finding{fail("Hither does not run with the state directory "+p.State+", and will not start with its settings: "+p.Wrong.Error(), "Correct what is named, then start it: "+p.start()+".")}
	case !d.Running:
		return append([]Finding{fail("Hither does not run with the state directory "+p.State, "Start it: "+p.start()+p.lastWords()+"; or for one command: `"+p.call("run")+" -- COMMAND`.")}, c.taken(ctx, p)...)
	}
	var out []Finding
	if p.Wrong != nil {
		out = append(out, warn("the running Hither will not start again with its settings: "+p.Wrong.Error(), "Correct what is named, before the machine or the service begins anew."))
	}
	for _, at := range d.Proxy {
		out = append(out, c.asks(ctx, p, at))
	}
	if d.Mine != "" && d.Version != d.Mine {
		out = append(out, note("the running Hither is version "+d.Version+", this program is "+d.Mine, "Start it again to have the newer one: "+p.again()+"."))
	}
	return out
}

// asks wants our own certificate from one listener, which also proves whose it is.
func (running) asks(ctx context.Context, p *Patient, at string) Finding {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	transport := &http.Transport{DialContext: p.dial, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+"/ca.pem", nil)
	if err != nil {
		return fail("Hither says that it listens on "+at+", which is no address", "Report it.")
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return fail(fmt.Sprintf("Hither (pid %d) runs, but does not answer on %s: %v", p.Daemon.PID, at, err), "End it and start it again: "+p.again()+".")
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	block, _ := pem.Decode(body)
	if block == nil {
		return fail("what listens on "+at+" is not Hither: it answered "+resp.Status, "Look who does: `"+p.call("status")+"`.")
	}
	if root := p.root(); len(root) > 0 && !bytes.Equal(block.Bytes, root) {
		return fail("the root certificate in "+p.rootFile()+" is not the one that the running Hither uses", "Start Hither again: "+p.again()+".")
	}
	switch {
	case p.Daemon.Stranger && p.Daemon.CA != "": // it has told everybody where it is
		return note("Hither, a service of this machine, answers on "+at+"; only its doors are looked at", "To see all: `sudo hither doctor`.")
	case p.Daemon.Stranger:
		return note("Hither answers on "+at+", and it is another user's, or has another state directory, so only its doors are looked at", "To see all, ask as it runs: `sudo hither doctor --state DIRECTORY`.")
	}
	return well(fmt.Sprintf("Hither runs (pid %d) and answers on %s", p.Daemon.PID, at))
}

// taken says who is where Hither would listen. What answers as a proxy is the clash check's to name.
func (running) taken(ctx context.Context, p *Patient) (out []Finding) {
	for _, address := range p.Listen {
		at, ok := local(address)
		if !ok || at.Port() == 0 {
			continue
		}
		conn, err := p.dial(ctx, "tcp", at.String())
		if err != nil {
			continue
		}
		conn.Close()
		if port.AnswersConnect(ctx, p.dial, at.String()) || port.AnswersSOCKS(ctx, p.dial, at.String()) {
			continue
		}
		out = append(out, warn(at.String()+", where Hither is set to listen, is taken by "+p.holder(ctx, at), "Take another port: "+p.set("listen", port.Next(at.String()))+"."))
	}
	return out
}
