-- Revert pets:throttle from pg

begin;

drop function pets.throttle_known(uuid, inet, integer[], integer);
drop function pets.throttle_give(text, integer);
drop function pets.throttle_take(text, text, uuid, inet, integer[]);
drop function pets.throttle_sweep();
drop function pets.throttle_id(text, text, cidr, text);
drop function pets.network_of(inet, integer, integer);
drop table pets.known_network;
drop table pets.throttle;

commit;
