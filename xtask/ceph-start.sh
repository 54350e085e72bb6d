#!/bin/sh
# A whole Ceph in one container: one monitor, one OSD, one gateway that speaks S3 on port 9000.
#
# The OSD keeps its data in a file (BlueStore) and not in memory, so that a container that was killed goes on where it was
# when it is started again, and so that what is stored takes no memory. S3_ACCESS_KEY and S3_SECRET_KEY are the one user's.
set -eu

data=/var/lib/ceph
monitor=$data/mon/ceph-a
osd=$data/osd/ceph-0
fsid=8f0a3c9e-6f1b-4c52-9d4e-2b7a51c0e6d1

# Small pools, little memory, no waiting for company that never comes; the lock of a completion that was killed ends soon
# (10 minutes is the default).
configure() {
    cat > /etc/ceph/ceph.conf <<END
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:3300]
public addr = 127.0.0.1
log file = /dev/null
mon cluster log file = /dev/null
auth allow insecure global id reclaim = false
mon allow pool size one = true
mon max pg per osd = 2000
mon data avail warn = 1
mon data avail crit = 1
mon osd nearfull ratio = 0.97
mon osd backfillfull ratio = 0.98
mon osd full ratio = 0.99
mon tick interval = 1
paxos propose interval = 0.02
paxos min wait = 0.01
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = bluestore
bluestore block size = 8589934592
bluestore cache autotune = false
bluestore cache size = 67108864
rgw frontends = beast port=9000
rgw num rados handles = 1
rgw thread pool size = 64
rgw mp lock max time = 10
END
}

start_monitor() {
    ceph-mon -i a -f &
    until ceph --connect-timeout 1 -s > /dev/null 2>&1; do sleep 0.1; done
}

start_osd() {
    ceph-osd -i 0 -f &
    until ceph osd stat 2> /dev/null | grep -q '1 up'; do sleep 0.1; done
}

make_monitor() {
    ceph-authtool --create-keyring /etc/ceph/ceph.client.admin.keyring --gen-key -n client.admin \
        --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    ceph-authtool --create-keyring /tmp/mon.keyring --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool /tmp/mon.keyring --import-keyring /etc/ceph/ceph.client.admin.keyring
    monmaptool --create --clobber --fsid $fsid --addv a '[v2:127.0.0.1:3300]' /tmp/monmap
    ceph-mon --mkfs -i a --monmap /tmp/monmap --keyring /tmp/mon.keyring
}

make_osd() {
    uuid=$(cat /proc/sys/kernel/random/uuid)
    ceph osd new "$uuid"
    ceph auth get-or-create osd.0 mon 'allow profile osd' osd 'allow *' -o $osd/keyring
    ceph-osd -i 0 --mkfs --osd-uuid "$uuid"
    ceph osd crush add osd.0 1.0 root=default host=here
}

mkdir -p $monitor $osd /run/ceph /etc/ceph
configure
if [ -e $data/made ]; then
    start_monitor
    ceph osd down 0 # What the monitor remembers of it is from before.
    start_osd
else
    make_monitor
    start_monitor
    make_osd
    start_osd
    radosgw-admin user create --uid=test --display-name=test \
        --access-key="$S3_ACCESS_KEY" --secret="$S3_SECRET_KEY" > /dev/null
    touch $data/made
fi
exec radosgw -f -n client.admin --keyring /etc/ceph/ceph.client.admin.keyring
