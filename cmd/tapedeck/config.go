package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Config is everything that can be set: by a YAML file, by TAPEDECK_*
// variables, by flags, the later winning. The tags are its documentation:
// `config init` writes them out, errors quote them.
type Config struct {
	Version int `yaml:"version" help:"form of this file; a later tapedeck reads earlier ones" min:"1"`

	Data string `yaml:"data" help:"directory of everything that is kept here: log, lake, cache, rules; empty is a directory of its own for each feed"`
	Feed string `yaml:"feed" help:"where ticks come from" oneof:"sim replay yahoo alphavantage"`
	Lake string `yaml:"lake" help:"where history is kept: a directory or s3://bucket/prefix; empty is lake/ in the data directory"`
	Quit string `yaml:"quit" help:"what the last screen does with the pipeline when it leaves" oneof:"ask stop keep"`

	Kafka struct {
		Brokers     []string      `yaml:"brokers" help:"host:port of a real cluster; empty is the broker inside tapedeck"`
		Prefix      string        `yaml:"prefix" help:"first part of every topic's name"`
		Partitions  int           `yaml:"partitions" help:"partitions of a new topic; never changed afterwards" min:"1" max:"512"`
		Replication int           `yaml:"replication" help:"copies of each partition on a real cluster; 0 is the cluster's default" min:"0" max:"9"`
		Protocol    string        `yaml:"protocol" help:"how brokers are spoken to" oneof:"plaintext ssl sasl_plaintext sasl_ssl"`
		Mechanism   string        `yaml:"mechanism" help:"how a user is proved" oneof:"PLAIN SCRAM-SHA-256 SCRAM-SHA-512"`
		Username    string        `yaml:"username" help:"user of the cluster"`
		Password    string        `yaml:"password" help:"its password; better TAPEDECK_KAFKA_PASSWORD" secret:"true"`
		CA          string        `yaml:"ca" help:"file with the certificate authority of the cluster"`
		Retention   time.Duration `yaml:"retention" help:"how long the log keeps its records: inside, those that the lake already has; on a cluster, all" min:"10m" zero:"15m inside and 168h on a cluster"`
		Sync        bool          `yaml:"sync" help:"the embedded log waits for the disk at every batch: what it has acknowledged survives a power cut as well as a kill -9, at a half to a quarter of the speed"`
	} `yaml:"kafka"`

	Sim struct {
		Symbols int     `yaml:"symbols" help:"how many stocks the simulated market has" min:"1" max:"10000"`
		Rate    float64 `yaml:"rate" help:"ticks a second and stock" min:"0.01" max:"1000"`
		Seed    int     `yaml:"seed" help:"the market's seed: the same seed gives the same market" min:"0"`
		History bool    `yaml:"history" help:"lay down some hours of history on a first start"`
	} `yaml:"sim"`

	Replay struct {
		Input []string `yaml:"input" help:"files to replay: CSV or CSV.gz with a header"`
		Speed string   `yaml:"speed" help:"how fast: a factor such as 1 or 10, or max"`
		From  string   `yaml:"from" help:"time to begin at, UTC, such as 2026-11-20T14:30; without an input the lake's own history is replayed"`
		To    string   `yaml:"to" help:"time to end before; empty is the end"`
		Of    string   `yaml:"of" help:"whose history is replayed where there is no input" oneof:"sim yahoo alphavantage"`
	} `yaml:"replay"`

	Yahoo struct {
		Symbols []string      `yaml:"symbols" help:"symbols to ask for; empty is the largest 1,000"`
		Poll    time.Duration `yaml:"poll" help:"time between two rounds of quotes" min:"1s"`
		Query   string        `yaml:"query_url" help:"base address of the quote service"`
		Chart   string        `yaml:"chart_url" help:"base address of the chart service"`
		Stream  string        `yaml:"stream_url" help:"address of the stream; off for none"`
		Cookie  string        `yaml:"cookie_url" help:"address that sets the cookie"`
	} `yaml:"yahoo"`

	AlphaVantage struct {
		Symbols []string `yaml:"symbols" help:"symbols to ask for; empty is the largest 5"`
		Key     string   `yaml:"key" help:"API key; better TAPEDECK_ALPHAVANTAGE_KEY" secret:"true"`
		Daily   int      `yaml:"daily" help:"requests a day that the key allows" min:"1"`
		Bulk    bool     `yaml:"bulk" help:"the key may ask for bulk quotes (100 symbols a request)"`
		URL     string   `yaml:"url" help:"base address of the service"`
	} `yaml:"alphavantage"`

	Compute struct {
		SecondFeatures bool          `yaml:"second_features" help:"indicator rows for 1s bars, too (sixty times as many rows)"`
		Snapshot       time.Duration `yaml:"snapshot" help:"longest time between two snapshots of a partition's state" min:"1s" max:"1h"`
	} `yaml:"compute"`

	Predict struct {
		Enabled  bool          `yaml:"enabled" help:"ask the models in use every minute"`
		Endpoint string        `yaml:"endpoint" help:"name of a SageMaker endpoint that is asked as champion; empty: the models are served inside the pipeline"`
		URL      string        `yaml:"url" help:"where the endpoint's runtime is, if not at AWS, such as http://127.0.0.1:8080"`
		Region   string        `yaml:"region" help:"AWS region of the endpoint; empty is the SDK's default"`
		Timeout  time.Duration `yaml:"timeout" help:"longest time for the answer about a minute" min:"100ms" max:"50s"`
		Train    bool          `yaml:"train" help:"train the first models by itself, in the background, once there is history to learn from"`
	} `yaml:"predict"`

	Archive struct {
		FlushAge   time.Duration `yaml:"flush_age" help:"age at which buffered rows are written to the lake" min:"1s" max:"1h"`
		FlushRows  int           `yaml:"flush_rows" help:"buffered rows of a partition at which they are written" min:"100" max:"10000000"`
		RawForm    string        `yaml:"raw_compression" help:"how the published raw hours are compressed: data.csv, data.csv.gz or data.csv.zst; choose it before the first hour" oneof:"none gzip zstd"`
		MergeEvery time.Duration `yaml:"merge_every" help:"time between two merges into processed files" min:"10s" max:"1h"`
	} `yaml:"archive"`

	S3 struct {
		Region    string `yaml:"region" help:"AWS region of the bucket; empty is the SDK's default"`
		Endpoint  string `yaml:"endpoint" help:"address of an S3-speaking server other than AWS"`
		PathStyle bool   `yaml:"path_style" help:"bucket in the path instead of the host name"`
		SSE       string `yaml:"sse" help:"server-side encryption" oneof:"none AES256 aws:kms"`
		KMSKey    string `yaml:"kms_key" help:"key for aws:kms"`
		Class     string `yaml:"storage_class" help:"storage class of new objects" oneof:"STANDARD STANDARD_IA INTELLIGENT_TIERING ONEZONE_IA GLACIER_IR"`
	} `yaml:"s3"`

	Cache struct {
		Size Size `yaml:"size" help:"most disk that local copies of an S3 lake take; those used longest ago go first" min:"64MB"`
		Days int  `yaml:"days" help:"days of bars and indicators that run fetches ahead of any question" min:"0" max:"3650"`
	} `yaml:"cache"`

	SQL struct {
		Memory  Size          `yaml:"memory" help:"most memory a query may use" min:"64MB"`
		Threads int           `yaml:"threads" help:"most threads a query may use; 0 is all" min:"0" max:"256"`
		Temp    Size          `yaml:"temp" help:"most disk a query may use for what does not fit in memory"`
		Timeout time.Duration `yaml:"timeout" help:"longest time a query may take" min:"1s"`
		Engine  string        `yaml:"engine" help:"who answers: local is Athena's SQL by DuckDB here, duckdb its own SQL, athena and trino are asked over the network" oneof:"local duckdb athena trino"`

		Athena struct {
			Workgroup string  `yaml:"workgroup" help:"workgroup; empty is Athena's default"`
			Output    string  `yaml:"output" help:"s3://bucket/prefix where Athena puts results; empty is the workgroup's own place"`
			Database  string  `yaml:"database" help:"database of the lake's tables"`
			Region    string  `yaml:"region" help:"AWS region; empty is that of s3.region, else the SDK's default"`
			Endpoint  string  `yaml:"endpoint" help:"address of another server that speaks Athena's API"`
			Price     float64 `yaml:"price" help:"dollars for a TB scanned, in your region" min:"0"`
		} `yaml:"athena"`

		Trino struct {
			URL string `yaml:"url" help:"http[s]://user[:password]@host:port?catalog=hive&schema=tapedeck" secret:"true"`
		} `yaml:"trino"`
	} `yaml:"sql"`

	Screen struct {
		Colour      string `yaml:"colour" help:"colours of the terminal" oneof:"auto true 256 16 none"`
		Background  string `yaml:"background" help:"the terminal's background" oneof:"auto dark light"`
		ColourBlind bool   `yaml:"colour_blind" help:"blue and orange instead of green and red"`
		RedUp       bool   `yaml:"red_up" help:"red is up, as in East Asia"`
		ASCII       bool   `yaml:"ascii" help:"no characters beyond ASCII"`
		Mouse       bool   `yaml:"mouse" help:"use the mouse (the terminal's own selection then needs shift)"`
		Bell        bool   `yaml:"bell" help:"ring the terminal's bell for a new alert of a warning or worse"`
		Desktop     bool   `yaml:"desktop" help:"show such an alert as a notification of the desktop, where the terminal can (OSC 9 and 777)"`
		Zone        string `yaml:"zone" help:"zone of times on the screen" oneof:"exchange utc local"`
	} `yaml:"screen"`

	Notify struct {
		Targets targetSettings `yaml:"targets" help:"whom alerts are sent to, by name"`
		Replay  bool           `yaml:"replay" help:"send what a replay raises, too; without it only files are written then"`
	} `yaml:"notify"`

	HTTP struct {
		Listen string `yaml:"listen" help:"address where run serves /metrics, /healthz and /readyz, such as 127.0.0.1:9464; empty is nowhere"`
		Pprof  bool   `yaml:"pprof" help:"serve /debug/pprof there, too"`
	} `yaml:"http"`

	Cost struct {
		Prices    string `yaml:"prices" help:"file with prices, laid over the built-in table; tapedeck cost --write-prices writes that"`
		Instance  string `yaml:"instance" help:"EC2 instance type of this box, such as t4g.medium, so that it is in the bill"`
		Disk      Size   `yaml:"disk" help:"EBS volume of this box"`
		Addresses int    `yaml:"addresses" help:"public IPv4 addresses that are paid for" min:"0" max:"1000"`
		Broker    string `yaml:"broker" help:"EC2 instance type of each of kafka.brokers; empty where they run on this box"`
		Endpoint  string `yaml:"endpoint" help:"instance type of the SageMaker endpoint, such as ml.m5.large"`
	} `yaml:"cost"`

	Log struct {
		Level string `yaml:"level" help:"what the log file says" oneof:"debug info warn error"`
	} `yaml:"log"`
}

// configVersion is the form of a configuration file.
const configVersion = 1

// DefaultConfig is what holds where nothing is set.
func DefaultConfig() Config {
	var c Config
	c.Version = configVersion
	c.Feed, c.Quit = "sim", "ask"
	c.Kafka.Prefix, c.Kafka.Partitions = "stock-market.", 12
	c.Kafka.Protocol, c.Kafka.Mechanism = "plaintext", "SCRAM-SHA-512"
	c.Archive.RawForm = "none"
	c.Sim.Symbols, c.Sim.Rate, c.Sim.Seed, c.Sim.History = 1000, 1, 1, true
	c.Replay.Speed, c.Replay.Of = "1", "sim"
	c.Yahoo.Poll = 10 * time.Second
	c.AlphaVantage.Daily = 25
	c.Compute.Snapshot = 15 * time.Second
	c.Predict.Enabled, c.Predict.Train, c.Predict.Timeout = true, true, 5*time.Second
	c.Archive.FlushAge, c.Archive.FlushRows, c.Archive.MergeEvery = 20*time.Second, 200_000, 5*time.Minute
	c.S3.SSE, c.S3.Class = "AES256", "STANDARD"
	c.Cache.Size, c.Cache.Days = 10<<30, 2
	c.SQL.Memory, c.SQL.Temp, c.SQL.Timeout = 1<<30, 10<<30, 5*time.Minute
	c.SQL.Engine, c.SQL.Athena.Database, c.SQL.Athena.Price = engineLocal, "tapedeck", 5
	c.Screen.Colour, c.Screen.Background, c.Screen.Zone = "auto", "auto", "exchange"
	c.Log.Level = "info"
	return c
}

// configPaths are the places of configuration files: the box's own, then the
// user's, which is laid over it.
func configPaths() []string {
	paths := []string{filepath.Join(etcDir(), "config.yaml")}
	if dir := xdg("XDG_CONFIG_HOME", ".config"); dir != "" {
		paths = append(paths, filepath.Join(dir, "tapedeck", "config.yaml"))
	}
	return paths
}

// loadConfig reads the file (an empty path: all of configPaths that exist,
// the later winning), then the environment. The path that was read last comes
// back, too.
func loadConfig(path string, environ []string) (Config, string, error) {
	config := DefaultConfig()
	explicit := path != ""
	candidates := []string{path}
	if !explicit {
		candidates = configPaths()
	}
	used := ""
	for _, candidate := range candidates {
		data, err := os.ReadFile(candidate)
		if errors.Is(err, fs.ErrNotExist) && !explicit {
			continue
		}
		if errors.Is(err, fs.ErrPermission) && !explicit && candidate == candidates[0] {
			return config, candidate, fmt.Errorf("read the configuration of this box: %w; ask to be taken into the group tapedeck (sudo usermod -aG tapedeck USER, then log in again), or name a file of your own with --config", err)
		}
		if err != nil {
			return config, candidate, fmt.Errorf("read configuration: %w", err)
		}
		if err := config.readYAML(candidate, data); err != nil {
			if config.Version > configVersion { // the reason for whatever else is wrong
				err = errNewerConfig(candidate)
			}
			return config, candidate, err
		}
		if config.Version > configVersion {
			return config, candidate, errNewerConfig(candidate)
		}
		used = candidate
	}
	if err := config.readEnvironment(environ); err != nil {
		return config, used, err
	}
	return config, used, nil
}

func errNewerConfig(path string) error {
	return fmt.Errorf("%s was written for a newer tapedeck; start that version, or give another file with --config", path)
}

// dataDir is where everything of this configuration is kept.
func (c *Config) dataDir() (string, error) {
	if c.recorded() {
		dir, _, err := c.recordedDir()
		if err != nil {
			return "", err
		}
		if own, guest, err := guestDir(dir); err != nil || guest {
			return filepath.Join(own, "replay", c.recordedName()), err
		}
		return filepath.Join(dir, "replay", c.recordedName()), nil
	}
	if c.Data != "" {
		return filepath.Abs(c.Data)
	}
	return defaultDir(c.Feed)
}

// defaultDir is a feed's own data directory.
func defaultDir(feed string) (string, error) {
	base := xdg("XDG_DATA_HOME", filepath.Join(".local", "share"))
	if base == "" {
		return "", errors.New("no home directory: set --data DIR or XDG_DATA_HOME")
	}
	return filepath.Join(base, "tapedeck", feed), nil
}

// recorded says whether the lake's own history is replayed: into a directory,
// a log and a lake of its own, below those that it comes from.
func (c *Config) recorded() bool {
	return c.Feed == "replay" && c.Replay.From != "" && len(c.Replay.Input) == 0
}

// recordedDir is the data directory whose history is replayed, and its feed.
func (c *Config) recordedDir() (dir, feed string, err error) {
	if c.Data == "" {
		dir, err = defaultDir(c.Replay.Of)
		return dir, c.Replay.Of, err
	}
	if dir, err = filepath.Abs(c.Data); err != nil {
		return "", "", err
	}
	var owner feedFile
	if (&place{dir: dir}).readJSON("feed.json", &owner) != nil {
		return "", "", fmt.Errorf("%s holds no recorded history: name a data directory that tapedeck has recorded to with --data, or a file with --input", dir)
	}
	return dir, owner.Feed, nil
}

// recordedName names the replay of a time, as a folder and as a prefix.
func (c *Config) recordedName() string {
	from, to, _ := parseBounds(*c) // checked when the settings were read
	const layout = "20060102T150405"
	name := from.Std().Format(layout)
	if to != 0 {
		name += "-" + to.Std().Format(layout)
	}
	return name
}

// lakeLocation is the lake's directory or address.
func (c *Config) lakeLocation(data string) string {
	switch {
	case c.Lake == "":
		return filepath.Join(data, "lake")
	case c.recorded():
		return strings.TrimSuffix(c.Lake, "/") + "/replay/" + c.recordedName()
	}
	return c.Lake
}

// prefix is the first part of every topic's name.
func (c *Config) prefix() string {
	if c.recorded() {
		return c.Kafka.Prefix + "replay-" + c.recordedName() + "."
	}
	return c.Kafka.Prefix
}

// xdg is the directory that a variable names or its default under the home directory; empty where there is none.
func xdg(variable, fallback string) string {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, fallback)
}
