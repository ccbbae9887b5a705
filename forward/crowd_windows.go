package forward

import (
	"net"
	"time"
)

// lateness is how long clients have to wait since hardly any file is left: here that is not known before none is.
func lateness(net.Conn) time.Duration { return 0 }
